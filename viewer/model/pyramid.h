// A grid of values with the minimum and maximum of every run of 4, 16, 64, ... columns beside it, so that a picture of
// any part at any zoom asks for exact extremes of a few blocks instead of averaging spikes away.
#pragma once

#include <cstdint>
#include <vector>

namespace kvwave::viewer {

/// Smallest and largest value of a region; both NaN when it holds no value.
struct Extremes {
  float low, high;
};

class Pyramid {
 public:
  static constexpr std::uint32_t kFan = 4;  ///< columns that one block of the next level covers

  Pyramid() = default;
  /// values: (rows, columns) row-major, NaN = nothing there. Throws std::invalid_argument unless the size fits.
  Pyramid(std::uint32_t rows, std::uint32_t columns, std::vector<float> values);

  std::uint32_t rows() const { return rows_; }
  std::uint32_t columns() const { return columns_; }
  float at(std::uint32_t row, std::uint32_t column) const { return values_[std::size_t{row} * columns_ + column]; }
  const std::vector<float>& values() const { return values_; }

  /// Exact extremes over rows [row, row_end) and columns [column, column_end), clipped to the grid.
  Extremes extremes(std::uint32_t row, std::uint32_t row_end, std::uint32_t column, std::uint32_t column_end) const;
  /// Of the whole grid.
  Extremes extremes() const { return extremes(0, rows_, 0, columns_); }

 private:
  struct Level {
    std::uint32_t columns = 0;
    std::vector<Extremes> blocks;  // (rows, columns)
  };
  void include_columns(std::uint32_t row, std::uint32_t begin, std::uint32_t end, Extremes& found) const;

  std::uint32_t rows_ = 0, columns_ = 0;
  std::vector<float> values_;
  std::vector<Level> levels_;  // level i covers kFan^(i + 1) columns a block
};

}  // namespace kvwave::viewer
