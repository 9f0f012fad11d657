#include "viewer/model/pyramid.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <utility>

namespace kvwave::viewer {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr Extremes kNothing = {kInfinity, -kInfinity};

// Comparisons with NaN are false, so NaN never enters.
void include(float value, Extremes& found) {
  if (value < found.low) found.low = value;
  if (value > found.high) found.high = value;
}

void include(const Extremes& block, Extremes& found) {
  // Not one by one: an empty block's bounds are infinities the wrong way round, and no values.
  if (block.low < found.low) found.low = block.low;
  if (block.high > found.high) found.high = block.high;
}

}  // namespace

Pyramid::Pyramid(std::uint32_t rows, std::uint32_t columns, std::vector<float> values)
    : rows_(rows), columns_(columns), values_(std::move(values)) {
  if (values_.size() != std::size_t{rows} * columns)
    throw std::invalid_argument("Pyramid: values do not fill the grid");
  for (std::uint32_t width = columns; width > kFan;) {
    const std::uint32_t below = width;
    width = (width + kFan - 1) / kFan;
    Level level{width, std::vector<Extremes>(std::size_t{rows} * width, kNothing)};
    for (std::uint32_t row = 0; row < rows; ++row) {
      Extremes* out = level.blocks.data() + std::size_t{row} * width;
      for (std::uint32_t c = 0; c < below; ++c) {
        if (levels_.empty()) {
          include(values_[std::size_t{row} * columns + c], out[c / kFan]);
        } else {
          include(levels_.back().blocks[std::size_t{row} * below + c], out[c / kFan]);
        }
      }
    }
    levels_.push_back(std::move(level));
  }
}

void Pyramid::include_columns(std::uint32_t row, std::uint32_t begin, std::uint32_t end, Extremes& found) const {
  const auto take = [&](std::size_t level, std::uint32_t column) {
    if (level == 0) {
      include(values_[std::size_t{row} * columns_ + column], found);
    } else {
      const Level& blocks = levels_[level - 1];
      include(blocks.blocks[std::size_t{row} * blocks.columns + column], found);
    }
  };
  // The unaligned ends are read at this level, the aligned middle one level up. The last block of a level may be
  // partial, hence the end is never rounded up.
  for (std::size_t level = 0; begin < end; ++level) {
    const bool top = level == levels_.size();
    while (begin < end && (top || begin % kFan != 0)) take(level, begin++);
    while (begin < end && end % kFan != 0) take(level, --end);
    begin /= kFan;
    end /= kFan;
  }
}

Extremes Pyramid::extremes(std::uint32_t row, std::uint32_t row_end, std::uint32_t column,
                           std::uint32_t column_end) const {
  Extremes found = kNothing;
  row_end = std::min(row_end, rows_);
  column_end = std::min(column_end, columns_);
  for (; row < row_end; ++row) include_columns(row, column, column_end, found);
  if (found.low > found.high) return {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::quiet_NaN()};
  return found;
}

}  // namespace kvwave::viewer
