#include "replay/results_reader.h"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <utility>

#include <fmt/format.h>

#include "replay/error.h"
#include "replay/report_results.h"
#include "traces/array_file.h"
#include "traces/error.h"

namespace kvwave::replay {
namespace {

using Shape = std::vector<std::uint64_t>;

// Sizes above these are no results of any model; they keep products far from overflow.
constexpr double kMostOfOne = 1 << 24;

std::string text_of(const Shape& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

}  // namespace

class ResultsReader::Impl {
 public:
  explicit Impl(const std::filesystem::path& path) : path_(path), file_(path) {
    check_format();
    read_info();
    read_configurations();
    read_traces();
    read_metrics();
  }

  [[noreturn]] void fail(std::string_view what) const { throw BadResults(fmt::format("{}: {}", path_.string(), what)); }

  std::uint32_t size_attribute(const std::string& object, const std::string& name, double least = 1) const {
    const double value = file_.number_attribute(object, name);
    if (!(value >= least && value <= kMostOfOne) || value != std::floor(value)) {
      fail(
          fmt::format("{} of {} is {}, expected a whole number from {} to {}", name, object, value, least, kMostOfOne));
    }
    return static_cast<std::uint32_t>(value);
  }

  // Words that other programs may leave out.
  std::string optional_text(const std::string& object, const std::string& name) const {
    try {
      return file_.text_attribute(object, name);
    } catch (const traces::WrongShape&) {
      return {};
    }
  }

  void check_shape(const std::string& name, const Shape& expected) const {
    const Shape found = file_.shape(name);
    if (found != expected) {
      fail(fmt::format("{} has shape {}, expected {}", name, text_of(found), text_of(expected)));
    }
  }

  std::vector<float> floats(const std::string& name, const Shape& expected) const {
    const std::lock_guard lock(mutex_);
    check_shape(name, expected);
    return file_.floats(name);
  }
  std::vector<std::int32_t> ints(const std::string& name, const Shape& expected) const {
    const std::lock_guard lock(mutex_);
    check_shape(name, expected);
    return file_.ints(name);
  }

  std::vector<double> optional_doubles(const std::string& name) const {
    const std::lock_guard lock(mutex_);
    if (!file_.has(name)) return {};
    check_shape(name, {configurations_.size()});
    return file_.doubles(name);
  }

  std::string config_object(std::uint32_t trace, std::uint32_t configuration, std::string_view leaf) const {
    return fmt::format("/trace_{:04}/config_{:04}/{}", trace, configuration, leaf);
  }

  bool has(const std::string& name) const {
    const std::lock_guard lock(mutex_);
    return file_.has(name);
  }

  Shape shape(const std::string& name) const {
    const std::lock_guard lock(mutex_);
    return file_.shape(name);
  }

  /// Caches per layer, the given dimension of an array: KV heads, or query heads where each has its own.
  std::uint64_t n_caches(const std::string& name, std::size_t dimension) const {
    const Shape found = shape(name);
    const bool per_q_head = found.size() > dimension && found[dimension] == info_.n_q_heads;
    return per_q_head ? info_.n_q_heads : info_.n_kv_heads;
  }

  std::filesystem::path path_;
  ResultsInfo info_;
  std::vector<ResultsConfiguration> configurations_;
  std::vector<ResultsTrace> traces_;
  std::vector<std::string> metrics_;

 private:
  void check_format() {
    std::string format;
    try {
      format = file_.text_attribute("/", "format");
    } catch (const traces::WrongShape&) {
      fail("is no results file: it has no attribute format");
    }
    if (format != "kvwave-results") fail(fmt::format("is no results file: its format is '{}'", format));
    const std::uint32_t version = size_attribute("/", "format_version");
    if (version > static_cast<std::uint32_t>(kResultsVersion)) {
      fail(fmt::format("is of version {}, this program knows up to {}", version, kResultsVersion));
    }
  }

  void read_info() {
    info_.program_version = optional_text("/", "program_version");
    info_.program_commit = optional_text("/", "program_commit");
    info_.model_name = optional_text("/", "model_name");
    info_.model_sha256 = optional_text("/", "model_sha256");
    info_.device = optional_text("/", "device");
    info_.notice = optional_text("/", "notice");
    info_.n_layers = size_attribute("/", "n_layers");
    info_.n_q_heads = size_attribute("/", "n_q_heads");
    info_.n_kv_heads = size_attribute("/", "n_kv_heads");
    info_.head_dim = size_attribute("/", "head_dim");
    if (info_.n_q_heads % info_.n_kv_heads != 0) fail("n_q_heads is no multiple of n_kv_heads");
  }

  void read_configurations() {
    const std::vector<std::string> strategy = file_.strings("/config/strategy");
    const std::vector<std::string> full_text = file_.strings("/config/full_text");
    const std::vector<std::string> kind = file_.strings("/config/kind");
    const std::vector<std::int32_t> budget = file_.ints("/config/budget"), control = file_.ints("/config/control"),
                                    baseline = file_.ints("/config/baseline");
    const std::size_t n = strategy.size();
    if (n == 0 || n > 9999) fail(fmt::format("holds {} configurations, expected 1 to 9999", n));
    const bool told = file_.has("/config/unequal_to");
    std::vector<std::string> unequal_to(n);
    std::vector<std::int32_t> unequal_mean(n), unequal_peak(n);
    if (told) {
      unequal_to = file_.strings("/config/unequal_to");
      unequal_mean = file_.ints("/config/unequal_realised_mean");
      unequal_peak = file_.ints("/config/unequal_realised_peak");
    }
    if (unequal_to.size() != n || unequal_mean.size() != n || unequal_peak.size() != n || full_text.size() != n ||
        kind.size() != n || budget.size() != n || control.size() != n || baseline.size() != n) {
      fail("the arrays of /config have different lengths");
    }
    for (std::size_t c = 0; c < n; ++c) {
      if (budget[c] < 0) fail(fmt::format("budget of configuration {} is {}", c, budget[c]));
      if (baseline[c] < 0 || static_cast<std::size_t>(baseline[c]) >= n) {
        fail(fmt::format("baseline of configuration {} is {}, there are {} configurations", c, baseline[c], n));
      }
      configurations_.push_back({strategy[c], full_text[c], kind[c], static_cast<std::uint32_t>(budget[c]),
                                 control[c] != 0, static_cast<std::uint32_t>(baseline[c]), std::nullopt});
      if (told) configurations_.back().unequal = {unequal_mean[c] != 0, unequal_peak[c] != 0, unequal_to[c]};
    }
  }

  void read_traces() {
    for (std::uint32_t t = 0; t < 9999; ++t) {
      const std::string group = fmt::format("/trace_{:04}", t);
      if (!file_.has(group)) break;
      ResultsTrace trace;
      trace.name = file_.text_attribute(group, "name");
      trace.content_sha256 = file_.text_attribute(group, "content_sha256");
      trace.n_prompt = size_attribute(group, "n_prompt", 0);
      trace.n_steps = size_attribute(group, "n_steps");
      trace.bin_steps = size_attribute(group, "bin_steps");
      trace.n_bins = (trace.n_steps + trace.bin_steps - 1) / trace.bin_steps;
      trace.repeated_8grams = file_.number_attribute(group, "repeated_8grams");
      trace.rows = optional_text(group, "rows");
      traces_.push_back(std::move(trace));
    }
    if (traces_.empty()) fail("holds no trace");
  }

  void read_metrics() {
    if (!file_.has("/trace_0000/metric")) return;
    for (const std::string& name : file_.children("/trace_0000/metric")) {
      const std::string group = "/trace_0000/metric/" + name;
      if (file_.has(group + "/per_step") && file_.has(group + "/per_head")) metrics_.push_back(name);
    }
  }

  mutable std::mutex mutex_;
  traces::ArrayFileReader file_;
};

ResultsReader::ResultsReader(const std::filesystem::path& path) : impl_(std::make_unique<Impl>(path)) {}
ResultsReader::~ResultsReader() = default;
ResultsReader::ResultsReader(ResultsReader&&) noexcept = default;

const std::filesystem::path& ResultsReader::path() const {
  return impl_->path_;
}
const ResultsInfo& ResultsReader::info() const {
  return impl_->info_;
}
const std::vector<ResultsConfiguration>& ResultsReader::configurations() const {
  return impl_->configurations_;
}
const std::vector<ResultsTrace>& ResultsReader::traces() const {
  return impl_->traces_;
}
const std::vector<std::string>& ResultsReader::metrics() const {
  return impl_->metrics_;
}

bool ResultsReader::has_binned(std::string_view metric) const {
  return impl_->has(fmt::format("/trace_0000/metric/{}/binned", metric));
}

std::vector<float> ResultsReader::per_step(std::uint32_t trace, std::string_view metric) const {
  return impl_->floats(fmt::format("/trace_{:04}/metric/{}/per_step", trace, metric),
                       {configurations().size(), traces().at(trace).n_steps});
}

std::vector<float> ResultsReader::per_head(std::uint32_t trace, std::string_view metric) const {
  return impl_->floats(fmt::format("/trace_{:04}/metric/{}/per_head", trace, metric),
                       {configurations().size(), info().n_layers, info().n_q_heads});
}

std::vector<float> ResultsReader::binned(std::uint32_t trace, std::string_view metric) const {
  return impl_->floats(fmt::format("/trace_{:04}/metric/{}/binned", trace, metric),
                       {configurations().size(), traces().at(trace).n_bins, info().n_layers, info().n_q_heads});
}

std::vector<std::int32_t> ResultsReader::evicted_at(std::uint32_t trace, std::uint32_t configuration) const {
  const std::string name = impl_->config_object(trace, configuration, "evicted_at");
  if (!impl_->has(name)) return {};
  const ResultsTrace& of = traces().at(trace);
  const std::uint64_t n_positions = std::uint64_t{of.n_prompt} + of.n_steps, caches = impl_->n_caches(name, 1);
  const std::vector<std::int32_t> stored = impl_->ints(name, {info().n_layers, caches, n_positions});
  if (caches == info().n_kv_heads) return stored;
  // Caches of query heads: a KV head's position is there while one of its query heads holds it.
  std::vector<std::int32_t> last(std::size_t{info().n_layers} * info().n_kv_heads * n_positions, 0);
  const std::uint64_t group = caches / info().n_kv_heads;
  for (std::size_t i = 0; i < stored.size(); ++i) {
    std::int32_t& held_until = last[i / n_positions / group * n_positions + i % n_positions];
    held_until = std::max(held_until, stored[i]);
  }
  return last;
}

StoredBudgets ResultsReader::budgets(std::uint32_t trace, std::uint32_t configuration) const {
  const std::string steps = impl_->config_object(trace, configuration, "refresh_step");
  if (!impl_->has(steps)) return {};
  StoredBudgets history;
  const Shape shape = impl_->shape(steps);
  if (shape.size() != 1) impl_->fail(steps + " is no list");
  history.step = impl_->ints(steps, shape);
  for (std::size_t f = 1; f < history.step.size(); ++f) {
    if (history.step[f] <= history.step[f - 1]) impl_->fail(steps + " does not ascend");
  }
  const std::string name = impl_->config_object(trace, configuration, "budget");
  const std::uint64_t caches = impl_->n_caches(name, 2);
  const std::vector<std::int32_t> stored = impl_->ints(name, {history.step.size(), info().n_layers, caches});
  const std::uint64_t group = caches / info().n_kv_heads;
  for (std::size_t i = 0; i < stored.size(); i += group) {
    std::int64_t sum = 0;
    for (std::size_t c = 0; c < group; ++c) sum += stored[i + c];
    history.budget.push_back(static_cast<std::int32_t>(sum / static_cast<std::int64_t>(group)));
  }
  return history;
}

std::vector<float> ResultsReader::resident(std::uint32_t trace, std::uint32_t configuration) const {
  return impl_->floats(impl_->config_object(trace, configuration, "resident"),
                       {traces().at(trace).n_bins, info().n_layers, info().n_kv_heads});
}

std::vector<float> ResultsReader::resident_peak(std::uint32_t trace, std::uint32_t configuration) const {
  return impl_->floats(impl_->config_object(trace, configuration, "resident_peak"),
                       {traces().at(trace).n_bins, info().n_layers, info().n_kv_heads});
}

std::vector<double> ResultsReader::figure(std::uint32_t trace, std::string_view name) const {
  return impl_->optional_doubles(fmt::format("/trace_{:04}/figure/{}", trace, name));
}

}  // namespace kvwave::replay
