#include "kernels/vector_avx2.h"
// After the vector operations they are written in.
#include "kernels/attention_body.h"
#include "kernels/gemm_body.h"
#include "kernels/gemv_body.h"
#include "kernels/simd_table_body.h"

namespace kvwave::kernels {

const SimdKernels kSimdKernelsAvx2 = kTable;

}  // namespace kvwave::kernels
