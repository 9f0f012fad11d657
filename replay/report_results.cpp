#include "replay/report_results.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "replay/figure_table.h"
#include "replay/no_figure.h"
#include "replay/results_shared.h"
#include "traces/array_file.h"

namespace kvwave::replay {

namespace {

using Shape = std::vector<std::uint64_t>;

// One trace of one run.
class TraceResults {
 public:
  TraceResults(traces::ArrayFileWriter& file, const Report& report, const ReportTrace& trace, const TraceReplay& replay)
      : file_(file), report_(report), trace_(trace), replay_(replay) {}

  void write() {
    figures();
    if (replay_.sums->keeps_bins()) {
      for (std::uint32_t c = 0; c < n_configurations(); ++c) residency(c);
      metrics();
    }
    attributes();
  }

 private:
  std::uint32_t n_configurations() const { return static_cast<std::uint32_t>(report_.configurations.size()); }

  // Every figure of the summaries: of the configuration, its layers and its KV heads. All in fp64: results that are
  // joined are formed again from them.
  void figures() {
    const std::uint64_t n = n_configurations(), layers = replay_.sequence.n_layers,
                        kv_heads = replay_.sequence.n_kv_heads;
    std::vector<std::int32_t> counted;
    for (const ConfigurationSummary& summary : trace_.summaries) {
      counted.push_back(static_cast<std::int32_t>(summary.n_counted));
    }
    file_.write(prefix_ + "/counted_steps", Shape{n}, std::span<const std::int32_t>(counted));
    for (const FigureColumn& figure : figure_table()) {
      std::vector<double> total, layer, kv_head;
      for (const ConfigurationSummary& summary : trace_.summaries) {
        total.push_back(summary.total.*figure.value);
        for (const Figures& one : summary.layers) layer.push_back(one.*figure.value);
        for (const Figures& one : summary.kv_heads) kv_head.push_back(one.*figure.value);
      }
      const std::string name(figure.name);
      file_.write(prefix_ + "/figure/" + name, Shape{n}, std::span<const double>(total));
      if (any(layer)) file_.write(prefix_ + "/layer/" + name, Shape{n, layers}, std::span<const double>(layer));
      if (!any(kv_head)) continue;
      file_.write(prefix_ + "/kv_head/" + name, Shape{n, layers, kv_heads}, std::span<const double>(kv_head));
    }
  }

  static bool any(const std::vector<double>& values) {
    return std::any_of(values.begin(), values.end(), [](double x) { return !std::isnan(x); });
  }

  void residency(std::uint32_t c) {
    const TraceReplay& replay = replay_;
    const Sequence& sequence = replay.sequence;
    const MetricSums& sums = *replay.sums;
    const std::string folder = fmt::format("{}/config_{:04}", prefix_, c);
    const std::vector<std::uint32_t> columns = columns_of(replay.sweep, c);
    const std::uint64_t layers = sequence.n_layers, kv_heads = sequence.n_kv_heads;
    if (is_strategy(report_.configurations[c].kind)) {
      const std::uint32_t simulation = report_.configurations[c].simulations.front();
      write_visibility(folder, simulation);
      budget_history(folder, simulation);
    }
    std::vector<float> resident(sums.n_bins * layers * kv_heads), peak(resident.size());
    for (std::size_t i = 0; i < resident.size(); ++i) {
      for (const std::uint32_t column : columns) {
        resident[i] += sums.bin_resident[i * sums.n_columns + column] / static_cast<float>(columns.size());
        peak[i] = std::max(peak[i], sums.bin_resident_peak[i * sums.n_columns + column]);
      }
    }
    const Shape shape = {sums.n_bins, layers, kv_heads};
    file_.write(folder + "/resident", shape, std::span<const float>(resident));
    file_.write(folder + "/resident_peak", shape, std::span<const float>(peak));
  }

  void write_visibility(const std::string& folder, std::uint32_t simulation) {
    const TraceReplay& replay = replay_;
    const Sequence& sequence = replay.sequence;
    const LayerResidency& first = replay.residency.front()[simulation].rest();
    const std::uint64_t layers = sequence.n_layers, caches = first.n_caches, n_steps = sequence.n_steps();
    const auto put_all = [&](const char* name, const Shape& shape, const auto& values_of) {
      std::remove_cvref_t<decltype(values_of(replay.residency.front()[simulation]))> all;
      for (const std::vector<PackedResidency>& layer : replay.residency) {
        const auto& values = values_of(layer[simulation]);
        all.insert(all.end(), values.begin(), values.end());
      }
      using Value = typename decltype(all)::value_type;
      file_.write(folder + name, shape, std::span<const Value>(all));
    };
    if (first.page == 0) {
      put_all("/evicted_at", {layers, caches, sequence.n_positions},
              [](const PackedResidency& one) { return one.evicted_at(); });
      return;
    }
    put_all(
        "/visible_pages", {layers, caches, n_steps, first.line_words(sequence)},
        [](const PackedResidency& one) -> const auto& { return one.rest().visible; });
    file_.attribute(folder + "/visible_pages", "page", static_cast<std::int64_t>(first.page));
    if (first.moved.empty()) return;
    put_all(
        "/moved", {layers, caches, n_steps},
        [](const PackedResidency& one) -> const auto& { return one.rest().moved; });
  }

  // Layers change at different steps; the file has one list of steps with all layers' budgets in force after each.
  void budget_history(const std::string& folder, std::uint32_t simulation) {
    const TraceReplay& replay = replay_;
    const std::uint64_t layers = replay.sequence.n_layers,
                        caches = replay.residency.front()[simulation].rest().n_caches;
    std::set<std::int32_t> steps;
    for (const auto& layer : replay.residency) {
      const LayerResidency& found = layer[simulation].rest();
      steps.insert(found.refresh_step.begin(), found.refresh_step.end());
    }
    std::vector<std::int32_t> budget;
    for (const std::int32_t step : steps) {
      for (const auto& layer : replay.residency) {
        const LayerResidency& found = layer[simulation].rest();
        const auto after = std::upper_bound(found.refresh_step.begin(), found.refresh_step.end(), step);
        const auto last = (after - found.refresh_step.begin() - 1) * static_cast<std::ptrdiff_t>(caches);
        budget.insert(budget.end(), found.budget.begin() + last,
                      found.budget.begin() + last + static_cast<std::ptrdiff_t>(caches));
      }
    }
    const std::vector<std::int32_t> list(steps.begin(), steps.end());
    file_.write(folder + "/refresh_step", Shape{list.size()}, std::span<const std::int32_t>(list));
    file_.write(folder + "/budget", Shape{list.size(), layers, caches}, std::span<const std::int32_t>(budget));
  }

  void metrics() {
    const MetricSums& sums = *replay_.sums;
    mean_metric("retained_mass", sums.step_mass, sums.head_mass, sums.bin_mass);
    if (replay_.stored_rows) upper_bound(sums);
    if (sums.metrics.recall) mean_metric("recall_32", sums.step_recall, sums.head_recall, sums.bin_recall);
    if (sums.metrics.error) {
      error_metric("output_error", sums.step_error, sums.head_error, &sums.bin_error);
      error_metric("output_error_bound", sums.step_bound, sums.head_bound, nullptr);
    }
  }

  // Values of one metric, [C] outermost; `mean_of` forms one value from the columns of a configuration.
  template <class MeanOf>
  void put(const std::string& name, const Shape& inner, const MeanOf& mean_of) {
    std::uint64_t n = 1;
    Shape shape = {n_configurations()};
    for (const std::uint64_t extent : inner) {
      n *= extent;
      shape.push_back(extent);
    }
    std::vector<float> values;
    values.reserve(n_configurations() * n);
    for (std::uint32_t c = 0; c < n_configurations(); ++c) {
      const std::vector<std::uint32_t> columns = columns_of(replay_.sweep, c);
      for (std::uint64_t i = 0; i < n; ++i) values.push_back(static_cast<float>(mean_of(i, columns)));
    }
    file_.write(prefix_ + "/metric/" + name, shape, std::span<const float>(values));
  }

  double sum_over(const std::vector<double>& sums, std::uint64_t index, const std::vector<std::uint32_t>& columns) {
    double sum = 0;
    for (const std::uint32_t column : columns) sum += sums[index * replay_.sums->n_columns + column];
    return sum / static_cast<double>(columns.size());
  }

  void mean_metric(const std::string& name, const std::vector<double>& step, const std::vector<double>& head,
                   const std::vector<double>& bin) {
    const MetricSums& sums = *replay_.sums;
    const std::uint64_t layers = sums.sequence.n_layers, q_heads = sums.sequence.n_q_heads;
    const double rows = static_cast<double>(layers * q_heads);
    put(name + "/per_step", {sums.sequence.n_steps()},
        [&](std::uint64_t i, const auto& columns) { return sum_over(step, i, columns) / rows; });
    put(name + "/per_head", {layers, q_heads}, [&](std::uint64_t i, const auto& columns) {
      const double n = sums.n_counted(columns.front());
      return n > 0 ? sum_over(head, i, columns) / n : kNoFigure;
    });
    put(name + "/per_layer", {layers}, [&](std::uint64_t i, const auto& columns) {
      const double n = sums.n_counted(columns.front());
      double sum = 0;
      for (std::uint64_t h = 0; h < q_heads; ++h) sum += sum_over(head, i * q_heads + h, columns);
      return n > 0 ? sum / (n * static_cast<double>(q_heads)) : kNoFigure;
    });
    put(name + "/binned", {sums.n_bins, layers, q_heads}, [&](std::uint64_t i, const auto& columns) {
      return sum_over(bin, i, columns) / sums.bin_size(static_cast<std::uint32_t>(i / (layers * q_heads)));
    });
  }

  void upper_bound(const MetricSums& sums) {
    put("retained_mass_hi/per_head", {sums.sequence.n_layers, sums.sequence.n_q_heads},
        [&](std::uint64_t i, const auto& columns) {
          const double n = sums.n_counted(columns.front());
          return n > 0 ? sum_over(sums.head_high, i, columns) / n : kNoFigure;
        });
  }

  void error_metric(const std::string& name, const std::vector<double>& step, const std::vector<double>& head,
                    const std::vector<double>* bin) {
    const MetricSums& sums = *replay_.sums;
    const std::uint64_t layers = sums.sequence.n_layers, q_heads = sums.sequence.n_q_heads;
    const auto root = [](double error, double output) { return output > 0 ? std::sqrt(error / output) : kNoFigure; };
    put(name + "/per_step", {sums.sequence.n_steps()},
        [&](std::uint64_t i, const auto& columns) { return root(sum_over(step, i, columns), sums.step_output[i]); });
    put(name + "/per_head", {layers, q_heads}, [&](std::uint64_t i, const auto& columns) {
      return root(sum_over(head, i, columns), sum_over(sums.head_output, i, columns));
    });
    put(name + "/per_layer", {layers}, [&](std::uint64_t i, const auto& columns) {
      double error = 0, output = 0;
      for (std::uint64_t h = 0; h < q_heads; ++h) {
        error += sum_over(head, i * q_heads + h, columns);
        output += sum_over(sums.head_output, i * q_heads + h, columns);
      }
      return root(error, output);
    });
    if (bin == nullptr) return;
    put(name + "/binned", {sums.n_bins, layers, q_heads},
        [&](std::uint64_t i, const auto& columns) { return root(sum_over(*bin, i, columns), sums.bin_output[i]); });
  }

  void attributes() {
    const Sequence& sequence = replay_.sequence;
    file_.attribute(prefix_, "name", std::filesystem::path(trace_.path).filename().string());
    file_.attribute(prefix_, "path", trace_.path);
    file_.attribute(prefix_, "content_sha256", trace_.content_sha256);
    file_.attribute(prefix_, "model_name", trace_.model_name);
    file_.attribute(prefix_, "model_sha256", trace_.model_sha256);
    file_.attribute(prefix_, "device", trace_.device);
    file_.attribute(prefix_, "n_layers", std::int64_t{sequence.n_layers});
    file_.attribute(prefix_, "n_q_heads", std::int64_t{sequence.n_q_heads});
    file_.attribute(prefix_, "n_kv_heads", std::int64_t{sequence.n_kv_heads});
    file_.attribute(prefix_, "head_dim", std::int64_t{sequence.head_dim});
    file_.attribute(prefix_, "n_prompt", std::int64_t{sequence.n_prompt});
    file_.attribute(prefix_, "n_steps", std::int64_t{sequence.n_steps()});
    file_.attribute(prefix_, "bin_steps", std::int64_t{replay_.sums->bin_steps});
    file_.attribute(prefix_, "value_bytes", std::int64_t{trace_.value_bytes});
    file_.attribute(prefix_, "repeated_8grams", trace_.repeated_8grams);
    file_.attribute(prefix_, "in_sample", std::int64_t{trace_.in_sample ? 1 : 0});
    file_.attribute(prefix_, "profile_distance", trace_.profile_distance);
    file_.attribute(prefix_, "rows", std::string_view(trace_.stored_rows ? "stored" : "recomputed"));
  }

  traces::ArrayFileWriter& file_;
  const Report& report_;
  const ReportTrace& trace_;
  const TraceReplay& replay_;
  const std::string prefix_ = "/trace_0000";
};

}  // namespace

void write_finished_trace(const std::filesystem::path& path, const Report& report, const ReportTrace& trace,
                          const TraceReplay& replay, bool overwrite) {
  traces::ArrayFileWriter file(path, overwrite);
  TraceResults(file, report, trace, replay).write();
  write_shared_results(file, report, trace);
  file.commit();
}

}  // namespace kvwave::replay
