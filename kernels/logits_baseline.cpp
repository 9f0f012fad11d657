// Logits passes for any x86-64 (SSE2).
#include "kernels/logits_body.h"

namespace kvwave::kernels {

const LogitsPasses kLogitsPassesBaseline = {largest_of, exp_below_top};

}  // namespace kvwave::kernels
