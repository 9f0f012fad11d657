#include "kernels/vector_baseline.h"
// After the vector operations it is written in.
#include "kernels/gemv_body.h"

namespace kvwave::kernels {

const GemvKernels kGemvBaseline = kTable;

}  // namespace kvwave::kernels
