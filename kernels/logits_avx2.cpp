// Logits passes for AVX2.
#include "kernels/logits_body.h"

namespace kvwave::kernels {

const LogitsPasses kLogitsPassesAvx2 = {largest_of, exp_below_top};

}  // namespace kvwave::kernels
