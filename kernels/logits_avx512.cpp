// Logits passes for AVX-512 F/BW/VL/DQ.
#include "kernels/logits_body.h"

namespace kvwave::kernels {

const LogitsPasses kLogitsPassesAvx512 = {largest_of, exp_below_top};

}  // namespace kvwave::kernels
