// A curve over layers drawn with block characters (UTF-8), for terminals.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace kvwave::replay {

struct WavePlotOptions {
  std::size_t columns = 80;  ///< widest line, at least 40
  std::size_t rows = 10;     ///< height of the bars in lines, at least 2
};

/// Bars from 0 upward, one per layer (neighbouring layers are averaged where there are more layers than columns), with
/// the value axis on the left and the layer axis below; a dot marks value + spread where that is visibly above the bar.
/// `spread` is empty or as long as `value`; all numbers finite and >= 0; value not empty.
std::string draw_wave(std::span<const double> value, std::span<const double> spread,
                      const WavePlotOptions& options = {});

/// A horizontal bar of value / full (cut to [0, 1]) over `columns` columns, padded with spaces.
std::string draw_bar(double value, double full, std::size_t columns);

}  // namespace kvwave::replay
