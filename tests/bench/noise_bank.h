// Random numbers at the speed of copying: a table of near-normal values, read from a place that a hash chooses. Equal
// seeds give equal values with every standard library.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "kernels/half.h"

namespace kvwave::bench {

/// A well-mixed word for a place, so that neighbouring places share nothing (splitmix64).
inline std::uint64_t mixed(std::uint64_t word) {
  word += 0x9e3779b97f4a7c15U;
  word = (word ^ (word >> 30U)) * 0xbf58476d1ce4e5b9U;
  word = (word ^ (word >> 27U)) * 0x94d049bb133111ebU;
  return word ^ (word >> 31U);
}

class NoiseBank {
 public:
  /// Mean 0, standard deviation `spread`. Up to `longest` values can be read at once.
  NoiseBank(std::uint64_t seed, float spread, std::size_t longest) : values_(kPlaces + longest) {
    std::mt19937_64 engine(seed);
    for (float& value : values_) {
      double sum = 0;
      for (int i = 0; i < 12; ++i) sum += static_cast<double>(engine() >> 11U) * 0x1p-53;
      value = spread * static_cast<float>(sum - 6.0);
    }
    halves_.resize(values_.size());
    kernels::f32_to_f16(values_, halves_);
  }

  std::span<const float> at(std::uint64_t place, std::size_t count) const {
    return std::span(values_).subspan(mixed(place) % kPlaces, count);
  }
  std::span<const std::uint16_t> halves_at(std::uint64_t place, std::size_t count) const {
    return std::span(halves_).subspan(mixed(place) % kPlaces, count);
  }

 private:
  static constexpr std::size_t kPlaces = std::size_t{1} << 20;
  std::vector<float> values_;
  std::vector<std::uint16_t> halves_;
};

}  // namespace kvwave::bench
