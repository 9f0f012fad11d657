#include "traces/half_float_f16c.h"

#if defined(__F16C__)
#include <immintrin.h>
#endif

namespace kvwave::traces {

#if defined(__F16C__)

bool has_f16c() {
  return __builtin_cpu_supports("avx") && __builtin_cpu_supports("f16c");
}

std::size_t widen_halves_f16c(const std::uint16_t* in, std::size_t count, float* out) {
  const std::size_t whole = count - count % 8;
  for (std::size_t i = 0; i < whole; i += 8) {
    _mm256_storeu_ps(out + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(in + i))));
  }
  return whole;
}

#else

bool has_f16c() {
  return false;
}
std::size_t widen_halves_f16c(const std::uint16_t*, std::size_t, float*) {
  return 0;
}

#endif

}  // namespace kvwave::traces
