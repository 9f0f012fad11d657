#include "traces/sha256_shani.h"

#include "traces/sha256_rounds.h"

#if defined(__SHA__) && defined(__SSE4_1__)
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace kvwave::traces {

#if defined(__SHA__) && defined(__SSE4_1__)

bool has_sha_instructions() {
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  constexpr unsigned kShaBit = 1U << 29;  // of EBX in leaf 7
  return __builtin_cpu_supports("sse4.1") && __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & kShaBit) != 0;
}

void sha256_blocks_shani(std::uint32_t* state, const std::uint8_t* data, std::size_t count) {
  const __m128i big_endian = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
  const auto word = [state](int i) { return static_cast<int>(state[i]); };
  // The instructions keep the state as two registers, (a b e f) and (c d g h), the first word in the highest lane.
  __m128i abef = _mm_set_epi32(word(0), word(1), word(4), word(5));
  __m128i cdgh = _mm_set_epi32(word(2), word(3), word(6), word(7));
  for (; count != 0; --count, data += 64) {
    const __m128i abef_before = abef;
    const __m128i cdgh_before = cdgh;
    __m128i w[4];  // the last sixteen words of the message schedule
    for (int i = 0; i < 4; ++i) {
      w[i] = _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(data + 16 * i)), big_endian);
    }
    for (int group = 0; group < 16; ++group) {
      if (group >= 4) {
        const __m128i last = w[(group + 3) % 4];
        const __m128i shifted = _mm_alignr_epi8(last, w[(group + 2) % 4], 4);
        const __m128i partial = _mm_add_epi32(_mm_sha256msg1_epu32(w[group % 4], w[(group + 1) % 4]), shifted);
        w[group % 4] = _mm_sha256msg2_epu32(partial, last);
      }
      const __m128i constants = _mm_loadu_si128(reinterpret_cast<const __m128i*>(kSha256Round + 4 * group));
      const __m128i sum = _mm_add_epi32(w[group % 4], constants);
      cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
      abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0E));
    }
    abef = _mm_add_epi32(abef, abef_before);
    cdgh = _mm_add_epi32(cdgh, cdgh_before);
  }
  std::uint32_t out[8];
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), abef);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 4), cdgh);
  constexpr int kLane[8] = {3, 2, 7, 6, 1, 0, 5, 4};  // where a .. h lie in `out`
  for (int i = 0; i < 8; ++i) state[i] = out[kLane[i]];
}

#else

bool has_sha_instructions() {
  return false;
}
void sha256_blocks_shani(std::uint32_t*, const std::uint8_t*, std::size_t) {}

#endif

}  // namespace kvwave::traces
