#include "replay/report_csv.h"

#include <cmath>
#include <iterator>

#include <fmt/format.h>

#include "replay/figure_table.h"

namespace kvwave::replay {

std::string csv_field(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

std::string csv_header() {
  std::string header = "trace,strategy,budget,layer,kv_head";
  for (const FigureColumn& column : figure_table()) header += fmt::format(",{}", column.name);
  return header +
         ",kind,control,counted_steps,layer_output_error,layer_output_error_bound,layer_budget_gini,"
         "unequal_realised_mean,unequal_realised_peak\n";
}

std::string csv_rows(const Report& report, const ReportTrace& trace) {
  fmt::memory_buffer out;
  const auto to = std::back_inserter(out);
  const auto number = [&](double value) {
    if (std::isnan(value)) {
      fmt::format_to(to, ",");
    } else {
      fmt::format_to(to, ",{:.9g}", value);
    }
  };
  const std::uint32_t n_kv_heads = trace.sequence.n_kv_heads;
  for (std::size_t c = 0; c < report.configurations.size(); ++c) {
    const Configuration& configuration = report.configurations[c];
    const std::string prefix =
        fmt::format("{},{},{}", csv_field(trace.path), csv_field(configuration.strategy), configuration.budget);
    for (std::size_t head = 0; head < trace.summaries[c].kv_heads.size(); ++head) {
      const Figures& figures = trace.summaries[c].kv_heads[head];
      fmt::format_to(to, "{},{},{}", prefix, head / n_kv_heads, head % n_kv_heads);
      for (const FigureColumn& column : figure_table()) number(figures.*column.value);
      fmt::format_to(to, ",{},{},{}", to_string(configuration.kind), configuration.control ? 1 : 0,
                     trace.summaries[c].n_counted);
      const Figures& layer = trace.summaries[c].layers[head / n_kv_heads];
      for (const double value : {layer.output_error, layer.output_error_bound, layer.budget_gini}) number(value);
      fmt::format_to(to, ",{},{}\n", report.lines[c].unequal_mean ? 1 : 0, report.lines[c].unequal_peak ? 1 : 0);
    }
  }
  return fmt::to_string(out);
}

}  // namespace kvwave::replay
