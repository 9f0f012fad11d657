#include "kernels/vector_avx2.h"
// After the vector operations it is written in.
#include "kernels/gemv_body.h"

namespace kvwave::kernels {

const GemvKernels kGemvAvx2 = kTable;

}  // namespace kvwave::kernels
