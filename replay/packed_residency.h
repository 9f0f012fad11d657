// What a layer's strategies kept, in little memory: from the end of a layer until results.h5 is written.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "replay/simulate.h"

namespace kvwave::replay {

/// Steps (>= 0, or kNever) as indices into the list of those that occur: one byte each while there are at most 256,
/// two while there are at most 65,536, as themselves beyond. Strategies that act at triggers take one byte, those that
/// evict in every step two.
class PackedSteps {
 public:
  static constexpr std::size_t kMostInOneByte = 256, kMostInTwoBytes = 65'536;  ///< different steps

  PackedSteps() = default;
  explicit PackedSteps(std::span<const std::int32_t> steps);

  std::vector<std::int32_t> unpacked() const;  ///< exactly what was given
  std::size_t bytes() const;                   ///< that the object holds

 private:
  std::vector<std::int32_t> value_;  // those that occur, ascending; or all steps, when there are too many
  std::vector<std::uint8_t> one_;    // [n] indices, or empty
  std::vector<std::uint16_t> two_;   // [n] indices, or empty
};

/// A LayerResidency whose evicted_at is packed; everything else, the lines of selections included, is as it was.
class PackedResidency {
 public:
  explicit PackedResidency(LayerResidency residency);

  const LayerResidency& rest() const { return rest_; }  ///< evicted_at is empty here
  std::vector<std::int32_t> evicted_at() const { return evicted_at_.unpacked(); }
  LayerResidency unpacked() const;

 private:
  LayerResidency rest_;
  PackedSteps evicted_at_;
};

}  // namespace kvwave::replay
