#include "replay/report_results.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "replay/figure_table.h"
#include "traces/array_file.h"
#include "traces/command_line.h"

namespace kvwave::replay {

namespace {

using Shape = std::vector<std::uint64_t>;

class ResultsFile {
 public:
  ResultsFile(const std::filesystem::path& path, const Report& report, bool overwrite)
      : report_(report), file_(path, overwrite) {}

  void write() {
    configurations();
    for (std::size_t t = 0; t < report_.traces.size(); ++t) {
      prefix_ = fmt::format("/trace_{:04}", t);
      trace_ = &report_.traces[t];
      for (std::uint32_t c = 0; c < n_configurations(); ++c) residency(c);
      metrics();
      figures();
      trace_attributes();
    }
    root_attributes();
    file_.commit();
  }

 private:
  std::uint32_t n_configurations() const { return static_cast<std::uint32_t>(report_.configurations.size()); }

  void configurations() {
    std::vector<std::string> strategy, full_text, kind;
    std::vector<std::int32_t> budget, control, baseline, unequal_mean, unequal_peak;
    for (const ReportLine& line : report_.lines) {
      unequal_mean.push_back(line.unequal_mean ? 1 : 0);
      unequal_peak.push_back(line.unequal_peak ? 1 : 0);
    }
    for (const Configuration& configuration : report_.configurations) {
      strategy.push_back(configuration.strategy);
      full_text.push_back(configuration.full_text);
      kind.emplace_back(to_string(configuration.kind));
      budget.push_back(static_cast<std::int32_t>(configuration.budget));
      control.push_back(configuration.control ? 1 : 0);
      baseline.push_back(static_cast<std::int32_t>(configuration.baseline));
    }
    const Shape shape = {n_configurations()};
    file_.write("/config/strategy", strategy);
    file_.write("/config/full_text", full_text);
    file_.write("/config/kind", kind);
    file_.write("/config/budget", shape, std::span<const std::int32_t>(budget));
    file_.write("/config/control", shape, std::span<const std::int32_t>(control));
    file_.write("/config/baseline", shape, std::span<const std::int32_t>(baseline));
    file_.write("/config/unequal_realised_mean", shape, std::span<const std::int32_t>(unequal_mean));
    file_.write("/config/unequal_realised_peak", shape, std::span<const std::int32_t>(unequal_peak));
  }

  void residency(std::uint32_t c) {
    const TraceReplay& replay = *trace_->replay;
    const Sequence& sequence = replay.sequence;
    const MetricSums& sums = *replay.sums;
    const std::string folder = fmt::format("{}/config_{:04}", prefix_, c);
    const std::vector<std::uint32_t> columns = columns_of(replay.sweep, c);
    const std::uint64_t layers = sequence.n_layers, kv_heads = sequence.n_kv_heads;
    if (report_.configurations[c].kind == ConfigurationKind::destructive) {
      const std::uint32_t simulation = report_.configurations[c].simulations.front();
      std::vector<std::int32_t> evicted_at;
      for (const std::vector<LayerResidency>& layer : replay.residency) {
        evicted_at.insert(evicted_at.end(), layer[simulation].evicted_at.begin(), layer[simulation].evicted_at.end());
      }
      file_.write(folder + "/evicted_at", Shape{layers, kv_heads, sequence.n_positions},
                  std::span<const std::int32_t>(evicted_at));
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

  // Layers change at different steps; the file has one list of steps with all layers' budgets in force after each.
  void budget_history(const std::string& folder, std::uint32_t simulation) {
    const TraceReplay& replay = *trace_->replay;
    const std::uint64_t layers = replay.sequence.n_layers, kv_heads = replay.sequence.n_kv_heads;
    std::set<std::int32_t> steps;
    for (const auto& layer : replay.residency) {
      steps.insert(layer[simulation].refresh_step.begin(), layer[simulation].refresh_step.end());
    }
    std::vector<std::int32_t> budget;
    for (const std::int32_t step : steps) {
      for (const auto& layer : replay.residency) {
        const LayerResidency& found = layer[simulation];
        const auto after = std::upper_bound(found.refresh_step.begin(), found.refresh_step.end(), step);
        const auto last = (after - found.refresh_step.begin() - 1) * static_cast<std::ptrdiff_t>(kv_heads);
        budget.insert(budget.end(), found.budget.begin() + last,
                      found.budget.begin() + last + static_cast<std::ptrdiff_t>(kv_heads));
      }
    }
    const std::vector<std::int32_t> list(steps.begin(), steps.end());
    file_.write(folder + "/refresh_step", Shape{list.size()}, std::span<const std::int32_t>(list));
    file_.write(folder + "/budget", Shape{list.size(), layers, kv_heads}, std::span<const std::int32_t>(budget));
  }

  void metrics() {
    const MetricSums& sums = *trace_->replay->sums;
    mean_metric("retained_mass", sums.step_mass, sums.head_mass, sums.bin_mass);
    if (trace_->replay->stored_rows) upper_bound(sums);
    if (sums.metrics.recall) mean_metric("recall_32", sums.step_recall, sums.head_recall, sums.bin_recall);
    if (sums.metrics.error) {
      error_metric("output_error", sums.step_error, sums.head_error, &sums.bin_error);
      error_metric("output_error_bound", sums.step_bound, sums.head_bound, nullptr);
    }
  }

  // Every figure of the summaries: of the configuration, its layers and its KV heads.
  void figures() {
    const Sequence& sequence = trace_->replay->sequence;
    const std::uint64_t n = n_configurations(), layers = sequence.n_layers, kv_heads = sequence.n_kv_heads;
    for (const FigureColumn& figure : figure_table()) {
      std::vector<double> total;
      std::vector<float> layer, kv_head;
      for (const ConfigurationSummary& summary : trace_->summaries) {
        total.push_back(summary.total.*figure.value);
        for (const Figures& one : summary.layers) layer.push_back(static_cast<float>(one.*figure.value));
        for (const Figures& one : summary.kv_heads) kv_head.push_back(static_cast<float>(one.*figure.value));
      }
      const std::string name(figure.name);
      file_.write(prefix_ + "/figure/" + name, Shape{n}, std::span<const double>(total));
      if (any(layer)) file_.write(prefix_ + "/layer/" + name, Shape{n, layers}, std::span<const float>(layer));
      if (!any(kv_head)) continue;
      file_.write(prefix_ + "/kv_head/" + name, Shape{n, layers, kv_heads}, std::span<const float>(kv_head));
    }
  }

  static bool any(const std::vector<float>& values) {
    return std::any_of(values.begin(), values.end(), [](float x) { return !std::isnan(x); });
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
      const std::vector<std::uint32_t> columns = columns_of(trace_->replay->sweep, c);
      for (std::uint64_t i = 0; i < n; ++i) values.push_back(static_cast<float>(mean_of(i, columns)));
    }
    file_.write(prefix_ + "/metric/" + name, shape, std::span<const float>(values));
  }

  double sum_over(const std::vector<double>& sums, std::uint64_t index, const std::vector<std::uint32_t>& columns) {
    double sum = 0;
    for (const std::uint32_t column : columns) sum += sums[index * trace_->replay->sums->n_columns + column];
    return sum / static_cast<double>(columns.size());
  }

  void mean_metric(const std::string& name, const std::vector<double>& step, const std::vector<double>& head,
                   const std::vector<double>& bin) {
    const MetricSums& sums = *trace_->replay->sums;
    const std::uint64_t layers = sums.sequence.n_layers, q_heads = sums.sequence.n_q_heads;
    const double rows = static_cast<double>(layers * q_heads);
    put(name + "/per_step", {sums.sequence.n_steps()},
        [&](std::uint64_t i, const auto& columns) { return sum_over(step, i, columns) / rows; });
    put(name + "/per_head", {layers, q_heads}, [&](std::uint64_t i, const auto& columns) {
      const double n = sums.n_counted(columns.front());
      return n > 0 ? sum_over(head, i, columns) / n : std::numeric_limits<double>::quiet_NaN();
    });
    put(name + "/per_layer", {layers}, [&](std::uint64_t i, const auto& columns) {
      const double n = sums.n_counted(columns.front());
      double sum = 0;
      for (std::uint64_t h = 0; h < q_heads; ++h) sum += sum_over(head, i * q_heads + h, columns);
      return n > 0 ? sum / (n * static_cast<double>(q_heads)) : std::numeric_limits<double>::quiet_NaN();
    });
    put(name + "/binned", {sums.n_bins, layers, q_heads}, [&](std::uint64_t i, const auto& columns) {
      return sum_over(bin, i, columns) / sums.bin_size(static_cast<std::uint32_t>(i / (layers * q_heads)));
    });
  }

  void upper_bound(const MetricSums& sums) {
    put("retained_mass_hi/per_head", {sums.sequence.n_layers, sums.sequence.n_q_heads},
        [&](std::uint64_t i, const auto& columns) {
          const double n = sums.n_counted(columns.front());
          return n > 0 ? sum_over(sums.head_high, i, columns) / n : std::numeric_limits<double>::quiet_NaN();
        });
  }

  void error_metric(const std::string& name, const std::vector<double>& step, const std::vector<double>& head,
                    const std::vector<double>* bin) {
    const MetricSums& sums = *trace_->replay->sums;
    const std::uint64_t layers = sums.sequence.n_layers, q_heads = sums.sequence.n_q_heads;
    const auto root = [](double error, double output) {
      return output > 0 ? std::sqrt(error / output) : std::numeric_limits<double>::quiet_NaN();
    };
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

  void trace_attributes() {
    const Sequence& sequence = trace_->replay->sequence;
    file_.attribute(prefix_, "name", std::filesystem::path(trace_->path).filename().string());
    file_.attribute(prefix_, "content_sha256", trace_->content_sha256);
    file_.attribute(prefix_, "n_prompt", std::int64_t{sequence.n_prompt});
    file_.attribute(prefix_, "n_steps", std::int64_t{sequence.n_steps()});
    file_.attribute(prefix_, "bin_steps", std::int64_t{trace_->replay->sums->bin_steps});
    file_.attribute(prefix_, "value_bytes", std::int64_t{trace_->value_bytes});
    file_.attribute(prefix_, "repeated_8grams", trace_->repeated_8grams);
    file_.attribute(prefix_, "rows", std::string_view(trace_->replay->stored_rows ? "stored" : "recomputed"));
  }

  void root_attributes() {
    const traces::Version version = traces::program_version();
    const Sequence& sequence = report_.traces.front().replay->sequence;
    file_.attribute("/", "format", std::string_view("kvwave-results"));
    file_.attribute("/", "format_version", std::int64_t{kResultsVersion});
    file_.attribute("/", "program_version", version.version);
    file_.attribute("/", "program_commit", version.commit);
    file_.attribute("/", "model_name", report_.traces.front().model_name);
    file_.attribute("/", "model_sha256", report_.traces.front().model_sha256);
    file_.attribute("/", "device", report_.device);
    file_.attribute("/", "notice", std::string_view(kOpenLoopNotice));
    file_.attribute("/", "n_layers", std::int64_t{sequence.n_layers});
    file_.attribute("/", "n_q_heads", std::int64_t{sequence.n_q_heads});
    file_.attribute("/", "n_kv_heads", std::int64_t{sequence.n_kv_heads});
    file_.attribute("/", "head_dim", std::int64_t{sequence.head_dim});
    if (report_.profile) {
      file_.attribute("/", "profile_rho", report_.profile->profile.rho);
      file_.attribute("/", "profile_demand", std::span<const double>(report_.profile->profile.demand));
      file_.attribute("/", "profile_in_sample", std::int64_t{report_.profile->in_sample ? 1 : 0});
    }
  }

  const Report& report_;
  traces::ArrayFileWriter file_;
  std::string prefix_;
  const ReportTrace* trace_ = nullptr;
};

}  // namespace

void write_results(const std::filesystem::path& path, const Report& report, bool overwrite) {
  ResultsFile(path, report, overwrite).write();
}

}  // namespace kvwave::replay
