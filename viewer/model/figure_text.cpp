#include "viewer/model/figure_text.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "viewer/model/heat_raster.h"

namespace kvwave::viewer {
namespace {

using Json = nlohmann::ordered_json;

std::string number(double value) {
  return std::isnan(value) ? std::string() : fmt::format("{:.9g}", value);
}

std::string header(const Axis& axis, const char* otherwise) {
  return csv_field(axis.name.empty() ? otherwise : axis.name);
}

void table_csv(const Table& table, std::string& out) {
  const auto line = [&](const std::vector<std::string>& fields) {
    for (std::size_t i = 0; i < fields.size(); ++i) {
      if (i > 0) out += ',';
      out += csv_field(fields[i]);
    }
    out += '\n';
  };
  line(table.columns);
  for (const auto& row : table.rows) line(row);
}

void series_csv(const Figure& figure, std::string& out) {
  out += fmt::format("series,{},{},low,high\n", header(figure.x, "x"), header(figure.y, "y"));
  for (const Series& series : figure.series) {
    const std::string name = csv_field(series.name);
    for (std::size_t i = 0; i < series.x.size(); ++i) {
      const bool range = i < series.low.size() && i < series.high.size();
      out += fmt::format("{},{},{},{},{}\n", name, number(series.x[i]), number(series.y[i]),
                         range ? number(series.low[i]) : "", range ? number(series.high[i]) : "");
    }
  }
}

void heatmap_csv(const Figure& figure, const Heatmap& map, std::string& out) {
  const Pyramid& grid = *map.values;
  std::uint32_t rows = 1, columns = 1;  // source cells per line
  while (std::uint64_t{grid.rows()} / rows * (grid.columns() / columns) > kMostCsvCells) {
    (grid.columns() / columns >= grid.rows() / rows ? columns : rows) *= 2;
  }
  const auto axis_column = [](const Axis& axis, double units, const char* otherwise) {
    return header(axis, otherwise) + (units > 1 ? fmt::format(" (first of {:g})", units) : std::string());
  };
  const std::string y_column = map.group > 0 ? "layer," + map.group_member : axis_column(figure.y, rows * map.dy, "y");
  out += fmt::format("{},{},{}\n", axis_column(figure.x, columns * map.dx, "x"), y_column, csv_field(map.name));
  for (std::uint32_t r = 0; r < grid.rows(); r += rows) {
    const std::string y =
        map.group > 0 ? fmt::format("{},{}", r / map.group, r % map.group) : fmt::format("{:.9g}", map.y0 + r * map.dy);
    for (std::uint32_t c = 0; c < grid.columns(); c += columns) {
      const float value = shown_value(map, grid.extremes(r, r + rows, c, c + columns));
      if (!std::isnan(value)) out += fmt::format("{:.9g},{},{:.7g}\n", map.x0 + c * map.dx, y, value);
    }
  }
}

Json axis_json(const Axis& axis) {
  return {{"name", axis.name},
          {"label", axis.label},
          {"low", axis.low},
          {"high", axis.high},
          {"scale", axis.logarithmic ? "log10" : "linear"}};
}

std::string_view name_of(Scale scale) {
  if (scale == Scale::decades) return "decades";
  return scale == Scale::diverging ? "diverging, zero white" : "linear";
}

std::string_view name_of(Pool pool) {
  if (pool == Pool::minimum) return "minimum";
  return pool == Pool::maximum ? "maximum" : "farthest from zero";
}

}  // namespace

std::string csv_field(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

std::string to_csv(const Figure& figure) {
  std::string out;
  if (figure.table) {
    table_csv(*figure.table, out);
  } else if (figure.heatmap && figure.heatmap->values) {
    heatmap_csv(figure, *figure.heatmap, out);
  } else {
    series_csv(figure, out);
  }
  return out;
}

std::string to_json(const Figure& figure, const std::vector<std::pair<std::string, std::string>>& context) {
  Json json = {{"kvwave_figure", 1}, {"name", figure.name}, {"title", figure.title}, {"subtitle", figure.subtitle}};
  if (figure.table) {
    json["columns"] = figure.table->columns;
    json["rows"] = figure.table->rows.size();
  } else {
    json["x"] = axis_json(figure.x);
    json["y"] = axis_json(figure.y);
  }
  if (figure.heatmap && figure.heatmap->values) {
    const Heatmap& map = *figure.heatmap;
    json["heatmap"] = {{"value", map.name},
                       {"label", map.label},
                       {"rows", map.values->rows()},
                       {"columns", map.values->columns()},
                       {"colour_low", map.low},
                       {"colour_high", map.high},
                       {"scale", name_of(map.scale)},
                       {"pooling", name_of(map.pool)},
                       {"source_rows_per_cell", map.pooled_rows},
                       {"source_columns_per_cell", map.pooled_columns}};
  }
  Json series = Json::array();
  for (const Series& one : figure.series) series.push_back({{"name", one.name}, {"points", one.x.size()}});
  if (!figure.series.empty()) json["series"] = series;
  Json guides = Json::array();
  for (const Guide& guide : figure.guides) {
    guides.push_back({{"name", guide.name}, {"axis", guide.vertical ? "x" : "y"}, {"at", guide.at}});
  }
  if (!guides.empty()) json["guides"] = guides;
  json["notes"] = figure.notes;
  for (const auto& [key, value] : context) json[key] = value;
  // Token texts may hold bytes that are no UTF-8; they become the replacement character.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace kvwave::viewer
