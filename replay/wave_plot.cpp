#include "replay/wave_plot.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include <fmt/format.h>

namespace kvwave::replay {
namespace {

constexpr std::array<std::string_view, 9> kUpward = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
constexpr std::array<std::string_view, 9> kRightward = {" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"};
constexpr std::size_t kLabelWidth = 7;  // "12345.6"

// The means of consecutive groups of `group` values.
std::vector<double> grouped(std::span<const double> values, std::size_t group) {
  std::vector<double> means;
  for (std::size_t begin = 0; begin < values.size(); begin += group) {
    const std::size_t n = std::min(group, values.size() - begin);
    double sum = 0;
    for (std::size_t i = 0; i < n; ++i) sum += values[begin + i];
    means.push_back(sum / static_cast<double>(n));
  }
  return means;
}

// The smallest of 1, 1.5, 2, 3, 4, 5, 6, 8 times a power of ten that is not below `value`.
double round_up(double value) {
  if (!(value > 0)) return 1;
  const double power = std::pow(10.0, std::floor(std::log10(value)));
  for (const double step : {1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0}) {
    if (step * power >= value) return step * power;
  }
  return 10 * power;
}

std::string axis_label(double value) {
  return fmt::format("{:>{}.{}g}", value, kLabelWidth, 5);
}

// Layer numbers below the first bar, the last one, and round numbers between where they have room.
std::string layer_axis(std::size_t n_layers, std::size_t group, std::size_t cell) {
  const std::size_t n_bars = (n_layers + group - 1) / group;
  std::string line(n_bars * cell + 8, ' ');
  const std::size_t step = std::max<std::size_t>(group, (n_layers > 24 ? 10 : 5));
  std::size_t free_from = 0;
  const auto put = [&](std::size_t layer) {
    const std::string label = std::to_string(layer);
    const std::size_t at = layer / group * cell;
    if (at < free_from) return;
    line.replace(at, label.size(), label);
    free_from = at + label.size() + 1;
  };
  for (std::size_t layer = 0; layer < n_layers; layer += step) put(layer);
  put(n_layers - 1);
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

}  // namespace

std::string draw_wave(std::span<const double> value, std::span<const double> spread, const WavePlotOptions& options) {
  const std::size_t width = options.columns - kLabelWidth - 2;
  const std::size_t group = (value.size() + width - 1) / width;
  const std::vector<double> bars = grouped(value, group);
  const std::vector<double> above = spread.empty() ? std::vector<double>(bars.size(), 0.0) : grouped(spread, group);
  const std::size_t cell = std::clamp<std::size_t>(width / bars.size(), 1, 4);
  const std::size_t bar_width = cell > 1 ? cell - 1 : 1;

  double highest = 0;
  for (std::size_t i = 0; i < bars.size(); ++i) highest = std::max(highest, bars[i] + above[i]);
  const double top = round_up(highest);
  const auto eighths = [&](double v) {
    return static_cast<std::size_t>(std::lround(v / top * 8.0 * static_cast<double>(options.rows)));
  };

  std::string text;
  for (std::size_t row = options.rows; row-- > 0;) {
    const bool labelled = row + 1 == options.rows || row + 1 == (options.rows + 1) / 2;
    const double label = top * static_cast<double>(row + 1) / static_cast<double>(options.rows);
    std::string line = (labelled ? axis_label(label) : std::string(kLabelWidth, ' ')) + (labelled ? " ┤" : " │");
    std::string gap;  // spaces are written only before the next mark, so that no line ends in them
    for (std::size_t i = 0; i < bars.size(); ++i) {
      const std::size_t filled = eighths(bars[i]), marked = eighths(bars[i] + above[i]);
      const std::size_t here = filled > 8 * row ? std::min<std::size_t>(8, filled - 8 * row) : 0;
      const bool dot = here == 0 && marked > filled && (marked - 1) / 8 == row;
      for (std::size_t c = 0; c < cell; ++c) {
        const std::string_view mark = c >= bar_width ? " " : dot ? "·" : kUpward[here];
        if (mark == " ") {
          gap += ' ';
        } else {
          line += gap;
          line += mark;
          gap.clear();
        }
      }
    }
    text += line + '\n';
  }
  text += axis_label(0) + " └";
  for (std::size_t i = 0; i < bars.size() * cell; ++i) text += "─";
  text += '\n' + std::string(kLabelWidth + 2, ' ') + layer_axis(value.size(), group, cell) + '\n';
  return text;
}

std::string draw_bar(double value, double full, std::size_t columns) {
  const double share = full > 0 ? std::clamp(value / full, 0.0, 1.0) : 0.0;
  auto eighths = static_cast<std::size_t>(std::lround(share * 8.0 * static_cast<double>(columns)));
  std::string bar;
  for (std::size_t c = 0; c < columns; ++c) {
    const std::size_t here = std::min<std::size_t>(8, eighths);
    bar += kRightward[here];
    eighths -= here;
  }
  return bar;
}

}  // namespace kvwave::replay
