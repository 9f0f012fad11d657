#include "replay/replay_arguments.h"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string_view>

#include <fmt/format.h>

#include "alloc/error.h"
#include "alloc/nearest_word.h"
#include "kernels/error.h"
#include "replay/request_limits.h"
#include "replay/results_settings.h"
#include "replay/sweep_file.h"
#include "replay/sweep_syntax.h"
#include "replay/trace_list.h"
#include "traces/command_line.h"
#include "traces/command_options.h"

namespace kvwave::replay {
namespace {

namespace po = boost::program_options;

constexpr std::string_view kReplayUsage =
    "usage: kvwave replay TRACE|FOLDER|@LIST... [-s STRATEGY]... [-b 64,128,256] [-o RESULTS.h5] [--csv FILE] [--json "
    "FILE]\n"
    "Replays recorded decoding under KV-cache budget strategies and prints what each retains. Without -s: the systems\n"
    "of the ReasonAlloc paper. `kvwave strategies` lists allocators and scorers.";
constexpr std::string_view kDefaultBudgets = "64,128,256";
constexpr unsigned kMostThreads = 1024;

po::options_description known_options() {
  po::options_description options;
  auto add = options.add_options();
  add("strategy,s", po::value<std::vector<std::string>>(),
      "ALLOCATOR[:k=v,...]/SCORER[:k=v,...]; k=[a,b] stands for several; repeats");
  add("budget,b", po::value<std::string>(), "average KV entries per KV head, a list; default 64,128,256");
  add("sweep", po::value<std::string>(), "strategies, budgets and settings from a JSON file");
  add("profile", po::value<std::vector<std::string>>(),
      "demand profile from kvwave calibrate, for reasonalloc; repeats, one per model");
  add("traces-from", po::value<std::string>(), "file that lists traces, one per line; as TRACE @FILE");
  add("output,o", po::value<std::string>(), "results.h5 to write");
  add("csv", po::value<std::string>(), "tidy table to write; - is stdout instead of the report");
  add("json", po::value<std::string>(), "manifest to write; - is stdout instead of the report");
  add("statistics", po::value<std::string>(), "CSV of figures and differences with intervals; - is stdout");
  add("metrics", po::value<std::string>(), "mass, error, recall; default all (error is the costly one)");
  add("no-controls", "leave out full, ceiling, oracle, streaming and random");
  add("page", po::value<std::string>(), "entries are held in pages of this many; default 1");
  add("match-memory", "budgets are asked memory: solve for the budget that realises it, per strategy");
  add("explain-protection", "adds each strategy with a random score, with and without its protection");
  add("ledger", "print requested against realised memory after the table");
  add("ledger-csv", po::value<std::string>(), "the ledger to write, per layer and KV head; - is stdout");
  add("baseline", po::value<std::string>(), "strategy that differences over traces are taken to; default uniform");
  add("equal-within", po::value<std::string>(), "test whether figures equal the baseline's within this much");
  add("seed", po::value<std::string>(), "of the bootstrap; default 1");
  add("resamples", po::value<std::string>(), "of the bootstrap; default 10000");
  add("shard", po::value<std::string>(), "I/N: only every N-th trace from the I-th on; kvwave merge joins them");
  add("resume", "keep the traces that an interrupted run had finished");
  add("threads", po::value<std::string>(), "worker threads; default all");
  add("device", po::value<std::string>(), "auto, cpu, cuda or cuda:N; default auto");
  add("compare-cpu", "with a CUDA device: select on the CPU as well and say what differs");
  add("force,f", "replace existing outputs");
  add("quiet", "no progress bar, no timing, no memory bound");
  return options;
}

class ArgumentReader {
 public:
  explicit ArgumentReader(const po::variables_map& values) : values_(values) {}

  ReplayArguments read() {
    read_traces();
    if (values_.contains("sweep")) sweep_ = read_sweep_file(text("sweep"));
    read_strategies();
    read_budgets();
    read_metrics();
    read_statistics();
    read_outputs();
    arguments_.request.controls = sweep_.controls.value_or(true) && !values_.contains("no-controls");
    arguments_.request.match_memory = values_.contains("match-memory");
    arguments_.request.explain_protection = values_.contains("explain-protection");
    arguments_.ledger = values_.contains("ledger");
    if (values_.contains("page")) {
      arguments_.options.metrics.page = static_cast<std::uint32_t>(integer("page", 1, kLargestPage));
    }
    arguments_.profiles = texts("profile");
    if (values_.contains("threads")) {
      arguments_.threads = static_cast<unsigned>(integer("threads", 1, kMostThreads));
    }
    if (values_.contains("shard")) arguments_.shard = shard(text("shard"));
    arguments_.resume = values_.contains("resume");
    arguments_.quiet = values_.contains("quiet");
    read_device();
    if (arguments_.resume && arguments_.outputs.results.empty()) {
      throw traces::UsageError("--resume needs -o: finished traces are kept beside the results");
    }
    if (values_.contains("shard") && arguments_.outputs.results.empty()) {
      throw traces::UsageError("--shard needs -o: kvwave merge joins the results of shards");
    }
    return std::move(arguments_);
  }

 private:
  std::string text(const char* name) const {
    return values_.contains(name) ? values_[name].as<std::string>() : std::string();
  }
  std::vector<std::string> texts(const char* name) const {
    return values_.contains(name) ? values_[name].as<std::vector<std::string>>() : std::vector<std::string>();
  }
  std::int64_t integer(const char* name, std::int64_t low, std::int64_t high) const {
    return traces::parse_integer(name, text(name), low, high);
  }

  void read_traces() {
    const std::string list = text("traces-from");
    if (!values_.contains("trace") && list.empty()) throw traces::UsageError("replay needs at least one trace");
    arguments_.traces = list_traces(texts("trace"), list);
  }

  void read_strategies() {
    std::vector<std::string> words;
    for (const std::string& word : texts("strategy")) {
      for (std::string& one : expand_lists(word)) words.push_back(std::move(one));
    }
    words.insert(words.end(), sweep_.strategies.begin(), sweep_.strategies.end());
    SweepRequest& request = arguments_.request;
    for (const std::string& word : words) {
      if (word == "ceiling") {
        request.ceiling = true;
      } else {
        request.strategies.push_back(alloc::Strategy::parse(word));
      }
    }
    if (words.empty()) request.strategies = default_strategies();
  }

  void read_budgets() {
    std::vector<std::uint32_t>& budgets = arguments_.request.budgets;
    if (values_.contains("budget") && !sweep_.budgets.empty()) {
      throw traces::UsageError("budgets are given by --budget and by the --sweep file; give one of them");
    }
    if (!sweep_.budgets.empty()) {
      budgets = sweep_.budgets;
      return;
    }
    const std::string list = values_.contains("budget") ? text("budget") : std::string(kDefaultBudgets);
    for (const std::string& budget : traces::parse_list("budget", list)) {
      budgets.push_back(static_cast<std::uint32_t>(traces::parse_integer("budget", budget, 1, kLargestBudget)));
    }
  }

  void read_metrics() {
    std::vector<std::string> words = sweep_.metrics;
    if (values_.contains("metrics")) words = traces::parse_list("metrics", text("metrics"));
    if (words.empty()) return;
    try {
      arguments_.options.metrics = parse_metrics(words);
    } catch (const std::invalid_argument& error) {
      throw traces::UsageError(fmt::format("option --metrics: {}", error.what()));
    }
  }

  void read_statistics() {
    StatisticsSettings& settings = arguments_.statistics;
    settings.bootstrap.seed = sweep_.seed.value_or(settings.bootstrap.seed);
    settings.bootstrap.resamples = sweep_.resamples.value_or(settings.bootstrap.resamples);
    settings.equal_within = sweep_.equal_within;
    if (values_.contains("seed"))
      settings.bootstrap.seed = static_cast<std::uint64_t>(integer("seed", 0, kLargestSeed));
    if (values_.contains("resamples")) {
      settings.bootstrap.resamples = static_cast<std::uint32_t>(integer("resamples", kFewestResamples, kMostResamples));
    }
    if (values_.contains("equal-within")) {
      settings.equal_within = traces::parse_real("equal-within", text("equal-within"), 1e-12, 1e12);
    }
    const std::string baseline = values_.contains("baseline") ? text("baseline") : sweep_.baseline.value_or("");
    if (!baseline.empty()) settings.baseline = baseline_text(baseline);
  }

  // Must be one of what is compared; controls count where there are any.
  std::string baseline_text(const std::string& word) const {
    if (word == "ceiling") return word;
    const alloc::Strategy baseline = alloc::Strategy::parse(word);
    const std::vector<alloc::Strategy>& known = arguments_.request.strategies;
    if (std::find(known.begin(), known.end(), baseline) != known.end()) return baseline.full_text();
    if (sweep_.controls.value_or(true) && !values_.contains("no-controls")) {
      if (baseline.is_full() || baseline.allocator.name == "uniform") return baseline.full_text();
    }
    std::vector<std::string> names;
    for (const alloc::Strategy& strategy : known) names.push_back(strategy.short_text());
    throw traces::UsageError(fmt::format("option --baseline: '{}' is not among the strategies compared{}", word,
                                         traces::did_you_mean(baseline.short_text(), names)));
  }

  void read_outputs() {
    ReportOutputs& outputs = arguments_.outputs;
    outputs.results = text("output");
    outputs.csv = text("csv");
    outputs.json = text("json");
    outputs.statistics = text("statistics");
    outputs.ledger_csv = text("ledger-csv");
    outputs.force = values_.contains("force");
    check_outputs(outputs);
    arguments_.options.keep_details = !outputs.results.empty();
  }

  static Shard shard(const std::string& word) {
    const std::size_t slash = word.find('/');
    if (slash == std::string::npos) {
      throw traces::UsageError(fmt::format("option --shard: expected I/N, for example 1/3, got '{}'", word));
    }
    Shard shard;
    shard.count = static_cast<std::uint32_t>(traces::parse_integer("shard", word.substr(slash + 1), 1, kMostShards));
    shard.index = static_cast<std::uint32_t>(traces::parse_integer("shard", word.substr(0, slash), 1, shard.count));
    return shard;
  }

  void read_device() {
    arguments_.options.compare_selections = values_.contains("compare-cpu");
    if (!values_.contains("device")) return;
    try {
      arguments_.device = kernels::parse_device_choice(text("device"));
    } catch (const kernels::Error& error) {
      throw traces::UsageError(fmt::format("option --device: {}", error.what()));
    }
  }

  const po::variables_map& values_;
  SweepFile sweep_;
  ReplayArguments arguments_;
};

}  // namespace

std::optional<ReplayArguments> parse_replay_arguments(std::span<const std::string> args) {
  const auto values = traces::parse_options(kReplayUsage, known_options(), "trace", args);
  if (!values) return std::nullopt;
  return ArgumentReader(*values).read();
}

}  // namespace kvwave::replay
