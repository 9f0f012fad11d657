// What a plot shows, without saying how it is drawn: the panels draw it, the export writes it as CSV and JSON, the
// tests read it. A picture and its numbers therefore cannot differ.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "viewer/model/pyramid.h"

namespace kvwave::viewer {

/// Who a line belongs to; one colour each, everywhere, but for the others, which share out a palette of muted ones.
enum class Role { a, b, other, control, reference };

enum class Mark { line, steps, stems, points, band };

/// One named line, band or set of points.
struct Series {
  std::string name = {};
  Mark mark = Mark::line;
  Role role = Role::a;
  std::size_t colour = 0;              ///< which of its role: tells others by colour and marker, controls by marker
  std::vector<double> x = {}, y = {};  ///< equal lengths; NaN leaves a gap
  std::vector<double> low = {}, high = {};  ///< band edges or error bars; empty without
  bool dashed = false;                      ///< told from a line of equal colour
  std::string end_label = {};               ///< name written beside the line's last point instead of in the legend
};

/// Words beside one point of a plot.
struct PointLabel {
  double x = 0, y = 0;
  std::string text = {};
  Role role = Role::reference;
};

/// An axis in data units; low and high are what the whole figure spans.
struct Axis {
  std::string name = {};   ///< column name in CSV, e.g. "step"
  std::string label = {};  ///< with unit, e.g. "decode step"
  double low = 0, high = 1;
  bool logarithmic = false;
  bool inverted = false;
  std::vector<std::pair<double, std::string>> ticks = {};  ///< empty: chosen by the plot
};

/// Ticks at whole numbers 0 .. n - 1, at most about `most` of them.
inline void set_whole_ticks(Axis& axis, std::uint32_t n, std::uint32_t most = 12) {
  for (std::uint32_t i = 0, every = (n + most - 1) / most; i < n; i += every)
    axis.ticks.emplace_back(i, std::to_string(i));
}

/// What a pixel that covers several cells shows.
enum class Pool { maximum, minimum, farthest_from_zero };

enum class Scale { linear, decades, diverging };

/// A grid of values over integer axes (step, position, layer, head): cell (r, c) stands for the dx integers from
/// x0 + c dx on, and the dy ones from y0 + r dy on. Drawn half a unit lower, so that an integer is the middle of its
/// cell.
struct Heatmap {
  std::string name = {};   ///< column name in CSV, e.g. "demand"
  std::string label = {};  ///< of the colour bar, with unit
  std::shared_ptr<const Pyramid> values = {};
  double x0 = 0, dx = 1, y0 = 0, dy = 1;
  std::uint32_t group = 0;        ///< rows = (layer, head) with so many heads a layer; 0: rows are the y axis
  std::string group_member = {};  ///< CSV name of the head column, e.g. "kv_head"
  float low = 0, high = 1;        ///< ends of the colour bar
  Scale scale = Scale::linear;
  Pool pool = Pool::maximum;
  std::uint32_t pooled_rows = 1, pooled_columns = 1;  ///< source cells pooled into one before drawing
};

/// A horizontal or vertical reference with a name.
struct Guide {
  double at = 0;
  bool vertical = true;
  std::string name = {};
};

/// A table with a header; used where text says more than a plot.
struct Table {
  std::vector<std::string> columns = {};
  std::vector<std::vector<std::string>> rows = {};  ///< each as long as columns
  std::vector<int> importance = {};  ///< of each column: where not all fit, those of the lowest go first; empty: equal
};

struct Figure {
  std::string name = {};      ///< file stem, e.g. "wave"
  std::string title = {};     ///< what is shown
  std::string subtitle = {};  ///< of what: trace, layer, head, strategies
  Axis x, y;
  std::vector<Series> series = {};
  std::optional<Heatmap> heatmap = {};
  std::optional<Table> table = {};
  std::vector<Guide> guides = {};
  std::vector<PointLabel> labels = {};
  std::vector<std::string> notes = {};  ///< caveats that belong under the picture

  bool empty() const { return series.empty() && !heatmap && !table; }
};

inline constexpr double kNoValue = std::numeric_limits<double>::quiet_NaN();

}  // namespace kvwave::viewer
