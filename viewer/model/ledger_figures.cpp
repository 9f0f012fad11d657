// What was asked for and what it took: the memory of every configuration, and where trace and results come from.
#include <cmath>

#include <fmt/format.h>

#include "replay/report.h"
#include "viewer/model/figures.h"
#include "viewer/model/headline.h"

namespace kvwave::viewer {
namespace {

using replay::UnequalMemory;

std::string shown(const std::vector<double>& values, std::size_t index, const char* format) {
  return index < values.size() && std::isfinite(values[index]) ? fmt::format(fmt::runtime(format), values[index]) : "-";
}

std::string bytes_text(double bytes) {
  if (!std::isfinite(bytes)) return "-";
  if (bytes >= 1e9) return fmt::format("{:.2f} GB", bytes / 1e9);
  return bytes >= 1e6 ? fmt::format("{:.2f} MB", bytes / 1e6) : fmt::format("{:.1f} kB", bytes / 1e3);
}

bool differs(const std::vector<double>& values, std::size_t c, std::size_t baseline) {
  return c < values.size() && std::abs(values[c] - values[baseline]) > replay::kMemoryTolerance * values[baseline];
}

}  // namespace

Figure ledger_figure(const FigureInputs& in) {
  const OpenedResults& results = require_results(in);
  const replay::ResultsReader& reader = results.cache->reader();
  const auto& configurations = reader.configurations();
  std::vector<double> requested = headline(*results.cache, "requested").mean,
                      mean = headline(*results.cache, "realised_mean").mean,
                      peak = headline(*results.cache, "realised_peak").mean;
  const std::vector<double> bytes = headline(*results.cache, "bytes_peak").mean;
  Figure figure;
  figure.name = "ledger";
  figure.title = "Ledger: requested against realised memory";
  figure.subtitle = "entries per KV head; flags: more than 1 % from what it is compared with";
  if (mean.empty()) {  // results without headline figures: from what was resident over the whole run
    for (std::uint32_t c = 0; c < configurations.size(); ++c) {
      const auto resident = results.cache->resident(results.trace, c);
      const std::vector<float> highest = results.cache->resident_peak(results.trace, c);
      double sum = 0, most = 0;
      for (const float entries : *resident) sum += entries;
      const std::size_t heads = std::size_t{reader.info().n_layers} * reader.info().n_kv_heads;
      for (std::size_t bin = 0; bin * heads < highest.size(); ++bin) {
        double total = 0;
        for (std::size_t h = 0; h < heads; ++h) total += highest[bin * heads + h];
        most = std::max(most, total / static_cast<double>(heads));
      }
      mean.push_back(sum / static_cast<double>(std::max<std::size_t>(1, resident->size())));
      peak.push_back(most);
      requested.push_back(configurations[c].budget);
    }
    figure.notes.emplace_back("means over all steps: these results hold no figures over counted steps");
  }
  const std::vector<double> mass = headline(*results.cache, "retained_mass").mean;
  Table table{.columns = {"", "strategy", "budget", "requested", "realised mean", "realised peak", "cache at peak",
                          "retained mass", "flags", "unequal to"},
              .rows = {},
              .importance = {9, 9, 8, 1, 6, 4, 3, 7, 5, 2}};
  for (std::uint32_t c = 0; c < configurations.size(); ++c) {
    const auto& one = configurations[c];
    UnequalMemory unequal;
    if (one.unequal) {
      unequal = *one.unequal;
    } else if (one.kind == "destructive") {
      unequal = {differs(mean, c, one.baseline), differs(peak, c, one.baseline), ""};
    }
    const char* flags = unequal.mean ? (unequal.peak ? "mean, peak" : "mean") : (unequal.peak ? "peak" : "");
    std::string which = c == in.view.selection.a ? "A" : "";
    if (c == in.view.selection.b) which += "B";
    table.rows.push_back({which, line_name(one), std::to_string(one.budget), shown(requested, c, "{:.1f}"),
                          shown(mean, c, "{:.1f}"), shown(peak, c, "{:.1f}"),
                          c < bytes.size() ? bytes_text(bytes[c]) : "-", shown(mass, c, "{:.4f}"), flags, unequal.to});
  }
  figure.table = std::move(table);
  return figure;
}

Figure run_figure(const FigureInputs& in) {
  const TraceSnapshot& trace = in.snapshot();
  const traces::TraceInfo& info = trace.info;
  Figure figure;
  figure.name = "run";
  figure.title = "Where this comes from";
  figure.subtitle = trace.name();
  Table table{.columns = {"what", "value"}, .rows = {}};
  const auto add = [&](std::string what, std::string value) {
    table.rows.push_back({std::move(what), std::move(value)});
  };
  add("trace", trace.path.string());
  add("state", trace.status.complete
                   ? fmt::format("complete, stopped by {}", traces::to_string(trace.status.stop_reason))
                   : "growing, or left by a killed writer");
  add("model", fmt::format("{} ({})", info.model_name, info.architecture));
  add("model sha256", info.model_sha256);
  add("shape", fmt::format("{} layers, {} q_heads, {} kv_heads, head_dim {}", info.shape.n_layers, info.shape.n_q_heads,
                           info.shape.n_kv_heads, info.shape.head_dim));
  add("positions",
      fmt::format("{}: {} of the prompt, {} decode steps", trace.n_positions, info.n_prompt, trace.n_steps()));
  add("levels", info.levels.to_string());
  add("device",
      fmt::format("{}, attention kernel {}, compute {}", info.device, info.attention_kernel, info.compute_dtype));
  add("storage", fmt::format("qkv {}, attention {}, epsilon {:g}; {}", traces::to_string(info.qkv_dtype),
                             traces::to_string(info.attention_dtype), info.epsilon,
                             bytes_text(static_cast<double>(trace.file_bytes))));
  add("sampling", fmt::format("{}, seed {}", info.sampling, info.seed));
  add("not finite", fmt::format("{} values, {} writer stalls", trace.status.nan_count, trace.status.stall_count));
  add("recorded by", fmt::format("kvwave {} ({})", info.program_version, info.program_commit));
  add("command line", info.command_line);
  if (in.results) {
    const replay::ResultsReader& reader = in.results->cache->reader();
    const replay::ResultsTrace& of = reader.traces()[in.results->trace];
    add("results", reader.path().string());
    add("replayed", fmt::format("{} of {} trace{}, {} configurations, rows {}", of.name, reader.traces().size(),
                                reader.traces().size() == 1 ? "" : "s", reader.configurations().size(), of.rows));
    add("replayed by", fmt::format("kvwave {} ({}) on {}", reader.info().program_version, reader.info().program_commit,
                                   reader.info().device));
    add("content sha256", of.content_sha256 + " (as the results say)");
    add("repeated 8-grams", fmt::format("{:.1f} % of the generated ones{}", 100 * of.repeated_8grams,
                                        of.repeated_8grams > 0.3 ? ": a loop is no reasoning" : ""));
    add("notice", reader.info().notice);
  }
  figure.table = std::move(table);
  return figure;
}

}  // namespace kvwave::viewer
