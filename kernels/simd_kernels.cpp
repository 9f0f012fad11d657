#include "kernels/simd_kernels.h"

#include "kernels/cpu_features.h"

namespace kvwave::kernels {

const SimdKernels& simd_kernels() {
  switch (simd_path()) {
    case SimdPath::avx512:
      return kSimdKernelsAvx512;
    case SimdPath::avx2:
      return kSimdKernelsAvx2;
    case SimdPath::baseline:
      break;
  }
  return kSimdKernelsBaseline;
}

}  // namespace kvwave::kernels
