#include "kernels/vector_avx512.h"
// After the vector operations it is written in.
#include "kernels/gemv_body.h"

namespace kvwave::kernels {

const GemvKernels kGemvAvx512 = kTable;

}  // namespace kvwave::kernels
