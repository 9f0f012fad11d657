#include "viewer/model/heat_raster.h"

#include <algorithm>
#include <cmath>

#include "viewer/model/colour_map.h"

namespace kvwave::viewer {
namespace {

struct Cells {
  std::uint32_t begin = 0, end = 0;
};

// Cells that each pixel touches along one axis.
std::vector<Cells> cells_of_pixels(double from, double to, std::uint32_t pixels, double origin, double step,
                                   std::uint32_t n_cells) {
  std::vector<Cells> cells(pixels);
  const double per_pixel = (to - from) / pixels;
  for (std::uint32_t p = 0; p < pixels; ++p) {
    double a = (from + p * per_pixel - origin) / step, b = (from + (p + 1) * per_pixel - origin) / step;
    if (a > b) std::swap(a, b);
    // Larger than a cell: whatever is touched. Smaller: the cell under the pixel's middle, for sharp straight edges.
    if (b - a < 1) {
      a = std::floor((a + b) / 2);
      b = a + 1;
    }
    const double limit = n_cells;
    cells[p] = {static_cast<std::uint32_t>(std::clamp(std::floor(a), 0.0, limit)),
                static_cast<std::uint32_t>(std::clamp(std::ceil(b), 0.0, limit))};
  }
  return cells;
}

}  // namespace

float colour_position(const Heatmap& map, float value) {
  if (map.scale == Scale::decades) {
    const float low = std::log10(map.low), high = std::log10(map.high);
    return std::clamp((std::log10(std::max(value, map.low)) - low) / (high - low), 0.0F, 1.0F);
  }
  const float width = map.high - map.low;
  return width > 0 ? std::clamp((value - map.low) / width, 0.0F, 1.0F) : 0.5F;
}

float shown_value(const Heatmap& map, const Extremes& region) {
  if (map.pool == Pool::maximum) return region.high;
  if (map.pool == Pool::minimum) return region.low;
  return std::abs(region.low) > std::abs(region.high) ? region.low : region.high;
}

std::vector<std::uint32_t> rasterise(const Heatmap& map, const ViewRect& view, std::uint32_t width,
                                     std::uint32_t height) {
  std::vector<std::uint32_t> pixels(std::size_t{width} * height, 0U);
  if (!map.values || pixels.empty()) return pixels;
  const Pyramid& grid = *map.values;
  const auto columns = cells_of_pixels(view.left, view.right, width, map.x0 - 0.5, map.dx, grid.columns());
  const auto rows = cells_of_pixels(view.top, view.bottom, height, map.y0 - 0.5, map.dy, grid.rows());
  const auto& table = colour_table(map.scale == Scale::diverging ? ColourMap::diverging : ColourMap::sequential);
  for (std::uint32_t y = 0; y < height; ++y) {
    std::uint32_t* line = pixels.data() + std::size_t{y} * width;
    if (y > 0 && rows[y].begin == rows[y - 1].begin && rows[y].end == rows[y - 1].end) {
      std::copy(line - width, line, line);
      continue;
    }
    for (std::uint32_t x = 0; x < width; ++x) {
      if (x > 0 && columns[x].begin == columns[x - 1].begin && columns[x].end == columns[x - 1].end) {
        line[x] = line[x - 1];
        continue;
      }
      const float value = shown_value(map, grid.extremes(rows[y].begin, rows[y].end, columns[x].begin, columns[x].end));
      if (!std::isnan(value)) line[x] = table[static_cast<std::size_t>(colour_position(map, value) * 255.0F + 0.5F)];
    }
  }
  return pixels;
}

}  // namespace kvwave::viewer
