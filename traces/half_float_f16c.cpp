#include "traces/half_float_f16c.h"

#if defined(__F16C__)
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace kvwave::traces {

#if defined(__F16C__)

// F16C is read from CPUID: clang before 17 does not know its name in the built-in test.
bool has_f16c() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __builtin_cpu_supports("avx") && __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
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
