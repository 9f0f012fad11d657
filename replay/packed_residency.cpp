#include "replay/packed_residency.h"

#include <algorithm>
#include <utility>

namespace kvwave::replay {

namespace {

template <class Index>
std::vector<Index> indices_of(std::span<const std::int32_t> steps, std::span<const std::uint32_t> index_of,
                              std::uint32_t index_of_never) {
  std::vector<Index> indices;
  indices.reserve(steps.size());
  for (const std::int32_t step : steps) {
    indices.push_back(static_cast<Index>(step == kNever ? index_of_never : index_of[static_cast<std::size_t>(step)]));
  }
  return indices;
}

template <class Index>
std::vector<std::int32_t> values_at(const std::vector<Index>& indices, const std::vector<std::int32_t>& value) {
  std::vector<std::int32_t> steps;
  steps.reserve(indices.size());
  for (const Index index : indices) steps.push_back(value[index]);
  return steps;
}

}  // namespace

PackedSteps::PackedSteps(std::span<const std::int32_t> steps) {
  std::int32_t last = -1;  // but never
  bool never = false;
  for (const std::int32_t step : steps) {
    if (step == kNever) {
      never = true;
    } else {
      last = std::max(last, step);
    }
  }
  std::vector<std::uint32_t> index_of(static_cast<std::size_t>(last) + 1, 0);
  for (const std::int32_t step : steps) {
    if (step != kNever) index_of[static_cast<std::size_t>(step)] = 1;
  }
  for (std::size_t step = 0; step < index_of.size(); ++step) {
    if (index_of[step] == 0) continue;
    index_of[step] = static_cast<std::uint32_t>(value_.size());
    value_.push_back(static_cast<std::int32_t>(step));
  }
  const auto index_of_never = static_cast<std::uint32_t>(value_.size());
  if (never) value_.push_back(kNever);
  if (value_.size() <= kMostInOneByte) {
    one_ = indices_of<std::uint8_t>(steps, index_of, index_of_never);
  } else if (value_.size() <= kMostInTwoBytes) {
    two_ = indices_of<std::uint16_t>(steps, index_of, index_of_never);
  } else {
    value_.assign(steps.begin(), steps.end());
  }
  value_.shrink_to_fit();
}

std::vector<std::int32_t> PackedSteps::unpacked() const {
  if (!one_.empty()) return values_at(one_, value_);
  return two_.empty() ? value_ : values_at(two_, value_);
}

std::size_t PackedSteps::bytes() const {
  return value_.capacity() * sizeof(std::int32_t) + one_.capacity() + two_.capacity() * sizeof(std::uint16_t);
}

PackedResidency::PackedResidency(LayerResidency residency)
    : rest_(std::move(residency)), evicted_at_(std::exchange(rest_.evicted_at, {})) {}

LayerResidency PackedResidency::unpacked() const {
  LayerResidency all = rest_;
  all.evicted_at = evicted_at();
  return all;
}

}  // namespace kvwave::replay
