#include "replay/report_stored.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "replay/error.h"
#include "replay/figure_table.h"
#include "replay/report_results.h"
#include "replay/results_settings.h"
#include "traces/array_file.h"
#include "traces/error.h"

namespace kvwave::replay {
namespace {

using Shape = std::vector<std::uint64_t>;

constexpr double kLargestSize = 1 << 24;  // of anything that is counted; keeps products far from overflow

class ReportReader {
 public:
  ReportReader(const traces::ArrayFileReader& file, const std::filesystem::path& path) : file_(file), path_(path) {}

  StoredReport read() {
    StoredReport stored;
    format();
    configurations(stored.report);
    settings(stored);
    for (std::size_t t = 0; file_.has(trace_group(t)); ++t) stored.report.traces.push_back(trace(t, stored));
    if (stored.report.traces.empty()) fail("holds no trace");
    if (stored.n_listed > 0) {
      check("/list_index", {stored.report.traces.size()});
      stored.place = file_.uints("/list_index");
    }
    return stored;
  }

  void heads(std::size_t index, ReportTrace& trace) const {
    const std::uint64_t layers = trace.sequence.n_layers, kv_heads = trace.sequence.n_kv_heads;
    const std::uint64_t n = trace.summaries.size();
    for (ConfigurationSummary& summary : trace.summaries) {
      summary.layers.assign(layers, Figures{});
      summary.kv_heads.assign(layers * kv_heads, Figures{});
    }
    for (const FigureColumn& figure : figure_table()) {
      const std::vector<double> layer =
          some_numbers(fmt::format("{}/layer/{}", trace_group(index), figure.name), {n, layers});
      for (std::size_t i = 0; i < layer.size(); ++i) {
        trace.summaries[i / layers].layers[i % layers].*figure.value = layer[i];
      }
      const std::vector<double> head =
          some_numbers(fmt::format("{}/kv_head/{}", trace_group(index), figure.name), {n, layers, kv_heads});
      for (std::size_t i = 0; i < head.size(); ++i) {
        trace.summaries[i / (layers * kv_heads)].kv_heads[i % (layers * kv_heads)].*figure.value = head[i];
      }
    }
  }

 private:
  [[noreturn]] void fail(std::string_view what) const { throw BadResults(fmt::format("{}: {}", path_.string(), what)); }

  std::uint32_t size(const std::string& object, const char* name, double low) const {
    const double value = file_.number_attribute(object, name);
    if (!(value >= low && value <= kLargestSize) || value != std::floor(value)) {
      fail(
          fmt::format("{} of {}: expected a whole number in [{}, {}], got {}", name, object, low, kLargestSize, value));
    }
    return static_cast<std::uint32_t>(value);
  }

  std::vector<double> numbers(const std::string& name, const Shape& expected) const {
    check(name, expected);
    return file_.doubles(name);
  }
  // Nothing where no layer or head has the figure.
  std::vector<double> some_numbers(const std::string& name, const Shape& expected) const {
    return file_.has(name) ? numbers(name, expected) : std::vector<double>();
  }
  std::vector<std::int32_t> integers(const std::string& name, std::size_t n) const {
    check(name, {n});
    return file_.ints(name);
  }
  void check(const std::string& name, const Shape& expected) const {
    const Shape found = file_.shape(name);
    if (found == expected) return;
    fail(fmt::format("{} has shape [{}], expected [{}]", name, fmt::join(found, ", "), fmt::join(expected, ", ")));
  }

  void format() const {
    std::string found;
    try {
      found = file_.text_attribute("/", "format");
    } catch (const traces::WrongShape&) {
      fail("is no results file (no attribute 'format')");
    }
    if (found != "kvwave-results") fail(fmt::format("is no results file (its format is '{}')", found));
    const double version = file_.number_attribute("/", "format_version");
    if (version != kResultsVersion) {
      fail(fmt::format("results of version {}, this program joins version {}", version, kResultsVersion));
    }
    if (!file_.has("/settings")) fail("holds no settings: written by an older program; replay the traces again");
  }

  void configurations(Report& report) const {
    const std::vector<std::string> strategy = file_.strings("/config/strategy");
    const std::vector<std::string> full_text = file_.strings("/config/full_text"), kind = file_.strings("/config/kind");
    const std::size_t n = strategy.size();
    if (n == 0 || n != full_text.size() || n != kind.size()) fail("arrays of /config differ in length or are empty");
    const std::vector<std::int32_t> budget = integers("/config/budget", n), control = integers("/config/control", n),
                                    baseline = integers("/config/baseline", n),
                                    uses_profile = integers("/config/uses_profile", n);
    for (std::size_t c = 0; c < n; ++c) {
      if (budget[c] < 1 || baseline[c] < 0 || static_cast<std::size_t>(baseline[c]) >= n) {
        fail(fmt::format("configuration {} has budget {} and baseline {}", c, budget[c], baseline[c]));
      }
      Configuration configuration;
      configuration.strategy = strategy[c];
      configuration.full_text = full_text[c];
      configuration.budget = static_cast<std::uint32_t>(budget[c]);
      configuration.control = control[c] != 0;
      configuration.uses_profile = uses_profile[c] != 0;
      configuration.baseline = static_cast<std::uint32_t>(baseline[c]);
      const auto known = kind_of(strategy[c], kind[c]);
      if (!known) fail(fmt::format("configuration {} is of unknown kind '{}'", c, kind[c]));
      configuration.kind = *known;
      report.configurations.push_back(std::move(configuration));
    }
  }

  void settings(StoredReport& stored) const {
    const std::vector<std::string> text = file_.strings("/settings");
    if (text.size() != 1) fail("/settings: expected one text");
    read_settings(text.front(), path_, stored.report);
    stored.replay_sha256 = file_.text_attribute("/", "replay_sha256");
    stored.program = fmt::format("{} ({})", file_.text_attribute("/", "program_version"),
                                 file_.text_attribute("/", "program_commit"));
    const std::vector<traces::ArrayAttribute> attributes = file_.attributes("/");
    const bool shard = std::any_of(attributes.begin(), attributes.end(),
                                   [](const traces::ArrayAttribute& a) { return a.name == "shard_count"; });
    if (!shard) return;
    stored.shard = {size("/", "shard_index", 1), size("/", "shard_count", 1)};
    stored.n_listed = size("/", "n_listed", 1);
    if (stored.shard.index > stored.shard.count) fail("shard_index is above shard_count");
  }

  ReportTrace trace(std::size_t index, const StoredReport& stored) const {
    const std::string group = trace_group(index);
    ReportTrace trace;
    trace.path = file_.text_attribute(group, "path");
    trace.content_sha256 = file_.text_attribute(group, "content_sha256");
    trace.model_name = file_.text_attribute(group, "model_name");
    trace.model_sha256 = file_.text_attribute(group, "model_sha256");
    trace.device = file_.text_attribute(group, "device");
    trace.sequence.n_layers = size(group, "n_layers", 1);
    trace.sequence.n_q_heads = size(group, "n_q_heads", 1);
    trace.sequence.n_kv_heads = size(group, "n_kv_heads", 1);
    trace.sequence.head_dim = size(group, "head_dim", 1);
    trace.sequence.n_prompt = size(group, "n_prompt", 0);
    trace.sequence.n_positions = trace.sequence.n_prompt + size(group, "n_steps", 1);
    trace.value_bytes = size(group, "value_bytes", 1);
    trace.repeated_8grams = file_.number_attribute(group, "repeated_8grams");
    trace.in_sample = size(group, "in_sample", 0) != 0;
    trace.profile_distance = file_.number_attribute(group, "profile_distance");
    trace.stored_rows = file_.text_attribute(group, "rows") == "stored";
    const std::size_t n = stored.report.configurations.size();
    trace.summaries.resize(n);
    const std::vector<std::int32_t> counted = integers(group + "/counted_steps", n);
    for (std::size_t c = 0; c < n; ++c) {
      if (counted[c] < 0) fail(fmt::format("{}/counted_steps holds {}", group, counted[c]));
      trace.summaries[c].n_counted = static_cast<std::uint32_t>(counted[c]);
    }
    for (const FigureColumn& figure : figure_table()) {
      const std::vector<double> values = numbers(fmt::format("{}/figure/{}", group, figure.name), {n});
      for (std::size_t c = 0; c < n; ++c) trace.summaries[c].total.*figure.value = values[c];
    }
    return trace;
  }

  const traces::ArrayFileReader& file_;
  const std::filesystem::path& path_;
};

}  // namespace

StoredReport read_stored_report(const std::filesystem::path& path) {
  const traces::ArrayFileReader file(path);
  try {
    return ReportReader(file, path).read();
  } catch (const traces::WrongShape& error) {
    throw BadResults(error.what());
  }
}

void read_head_figures(const traces::ArrayFileReader& file, const std::filesystem::path& path, std::size_t index,
                       ReportTrace& trace) {
  try {
    ReportReader(file, path).heads(index, trace);
  } catch (const traces::WrongShape& error) {
    throw BadResults(error.what());
  }
}

std::string trace_group(std::size_t index) {
  return fmt::format("/trace_{:04}", index);
}

}  // namespace kvwave::replay
