// Random numbers without state: the i-th number of a stream is a function of (seed, stream, i), so a result depends
// neither on threads nor on what else was drawn. Used by the statistics; replay's random control has its own streams.
//
// key = mix(mix(seed) ^ stream), number i = mix(key + (i + 1) * 0x9E3779B97F4A7C15), all modulo 2^64, where mix(x) is
// the finaliser of SplitMix64 (Steele, Lea, Flood 2014) applied to x + 0x9E3779B97F4A7C15.
#pragma once

#include <cstdint>

namespace kvwave::replay {

class RandomStream {
 public:
  RandomStream(std::uint64_t seed, std::uint64_t stream) : key_(mix(mix(seed) ^ stream)) {}

  std::uint64_t bits(std::uint64_t i) const { return mix(key_ + (i + 1) * kGolden); }
  /// Uniform in [0, n), n >= 1: the upper 64 bits of bits(i) * n (bias below n / 2^64).
  std::uint64_t below(std::uint64_t i, std::uint64_t n) const;

 private:
  static constexpr std::uint64_t kGolden = 0x9E3779B97F4A7C15U;
  static std::uint64_t mix(std::uint64_t x) {
    x += kGolden;
    x = (x ^ (x >> 30U)) * 0xBF58476D1CE4E5B9U;
    x = (x ^ (x >> 27U)) * 0x94D049BB133111EBU;
    return x ^ (x >> 31U);
  }

  std::uint64_t key_;
};

inline std::uint64_t RandomStream::below(std::uint64_t i, std::uint64_t n) const {
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::uint64_t>((Wide{bits(i)} * n) >> 64U);
}

}  // namespace kvwave::replay
