// `kvwave replay`: what each strategy would lose, from recordings alone.
#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "kernels/cpu_features.h"
#include "kernels/device.h"
#include "kernels/error.h"
#include "kernels/thread_pool.h"
#include "replay/calibrate.h"
#include "replay/commands.h"
#include "replay/device_replay.h"
#include "replay/error.h"
#include "replay/report.h"
#include "replay/report_csv.h"
#include "replay/report_json.h"
#include "replay/report_results.h"
#include "replay/report_table.h"
#include "traces/command_line.h"
#include "traces/command_options.h"
#include "traces/output_file.h"
#include "traces/progress.h"
#include "traces/reader.h"
#include "traces/repetition.h"

namespace kvwave::replay {
namespace {

namespace po = boost::program_options;

constexpr std::string_view kUsage =
    "usage: kvwave replay TRACE... [-s STRATEGY]... [-b 64,128,256] [-o RESULTS.h5] [--csv FILE] [--json FILE]\n"
    "Replays recorded decoding under KV-cache budget strategies and prints what each retains. Without -s: the systems\n"
    "of the ReasonAlloc paper. `kvwave strategies` lists allocators and scorers.";
constexpr std::string_view kDefaultBudgets = "64,128,256";
constexpr std::int64_t kLargestBudget = 1'000'000;
constexpr unsigned kMostThreads = 1024;

struct Arguments {
  std::vector<std::string> traces;
  SweepRequest request;
  ReplayOptions options;
  std::string profile, results, csv, json;  // empty = not asked for
  bool force = false, quiet = false;
  unsigned threads = 0;
  kernels::DeviceChoice device;
};

std::string text_of(const po::variables_map& values, const char* name) {
  return values.contains(name) ? values[name].as<std::string>() : std::string();
}

void parse_strategies(const po::variables_map& values, SweepRequest& request) {
  if (!values.contains("strategy")) {
    request.strategies = default_strategies();
    return;
  }
  for (const std::string& text : values["strategy"].as<std::vector<std::string>>()) {
    if (text == "ceiling") {
      request.ceiling = true;
    } else {
      request.strategies.push_back(alloc::Strategy::parse(text));
    }
  }
}

Metrics parse_metrics(const std::string& text) {
  Metrics metrics{.mass = true, .error = false, .recall = false};
  const std::vector<std::string> known = {"mass", "error", "recall"};
  for (const std::string& word : traces::parse_list("metrics", text)) {
    if (std::find(known.begin(), known.end(), word) == known.end()) {
      throw traces::UsageError(fmt::format("option --metrics: expected a list of mass, error, recall, got '{}'{}", word,
                                           traces::did_you_mean(word, known)));
    }
    metrics.error |= word == "error";
    metrics.recall |= word == "recall";
  }
  return metrics;
}

kernels::DeviceChoice parse_device(const std::string& text) {
  if (text.empty()) return {};
  try {
    return kernels::parse_device_choice(text);
  } catch (const kernels::Error& error) {
    throw traces::UsageError(fmt::format("option --device: {}", error.what()));
  }
}

std::optional<Arguments> parse_arguments(std::span<const std::string> args) {
  po::options_description options;
  auto add = options.add_options();
  add("strategy,s", po::value<std::vector<std::string>>(), "ALLOCATOR[:k=v,...]/SCORER[:k=v,...]; repeats");
  add("budget,b", po::value<std::string>(), "average KV entries per KV head, a list; default 64,128,256");
  add("profile", po::value<std::string>(), "demand profile from kvwave calibrate, for reasonalloc");
  add("output,o", po::value<std::string>(), "results.h5 to write");
  add("csv", po::value<std::string>(), "tidy table to write; - is stdout instead of the report");
  add("json", po::value<std::string>(), "manifest to write; - is stdout instead of the report");
  add("metrics", po::value<std::string>(), "mass, error, recall; default all (error is the costly one)");
  add("no-controls", "leave out full, ceiling, oracle, streaming and random");
  add("threads", po::value<std::string>(), "worker threads; default all");
  add("device", po::value<std::string>(), "auto, cpu, cuda or cuda:N; default auto");
  add("force,f", "replace existing outputs");
  add("quiet", "no progress bar and no timing");
  const auto values = traces::parse_options(kUsage, options, "trace", args);
  if (!values) return std::nullopt;
  Arguments arguments;
  if (!values->contains("trace")) throw traces::UsageError("replay needs at least one trace");
  arguments.traces = (*values)["trace"].as<std::vector<std::string>>();
  parse_strategies(*values, arguments.request);
  const std::string budgets = values->contains("budget") ? text_of(*values, "budget") : std::string(kDefaultBudgets);
  for (const std::string& budget : traces::parse_list("budget", budgets)) {
    arguments.request.budgets.push_back(
        static_cast<std::uint32_t>(traces::parse_integer("budget", budget, 1, kLargestBudget)));
  }
  arguments.request.controls = !values->contains("no-controls");
  if (values->contains("metrics")) arguments.options.metrics = parse_metrics(text_of(*values, "metrics"));
  if (values->contains("threads")) {
    arguments.threads =
        static_cast<unsigned>(traces::parse_integer("threads", text_of(*values, "threads"), 1, kMostThreads));
  }
  arguments.device = parse_device(text_of(*values, "device"));
  arguments.profile = text_of(*values, "profile");
  arguments.results = text_of(*values, "output");
  arguments.csv = text_of(*values, "csv");
  arguments.json = text_of(*values, "json");
  arguments.force = values->contains("force");
  arguments.quiet = values->contains("quiet");
  arguments.options.keep_details = !arguments.results.empty();
  return arguments;
}

void check_outputs(const Arguments& arguments) {
  if (arguments.csv == "-" && arguments.json == "-") {
    throw traces::UsageError("--csv - and --json - would both write to stdout");
  }
  std::vector<std::string> seen;
  for (const std::string& path : {arguments.results, arguments.csv, arguments.json}) {
    if (path.empty() || path == "-") continue;
    if (std::find(seen.begin(), seen.end(), path) != seen.end()) {
      throw traces::UsageError(fmt::format("two outputs have the same name '{}'", path));
    }
    seen.push_back(path);
    traces::check_output(path, arguments.force);
  }
}

void check_same_model(const std::vector<traces::TraceReader>& traces) {
  const traces::TraceReader& first = traces.front();
  for (const traces::TraceReader& other : traces) {
    if (other.shape() == first.shape() && other.info().model_sha256 == first.info().model_sha256) continue;
    throw UnequalTraces(fmt::format("{} was recorded with {}, {} with {}: replay compares traces of one model",
                                    first.path().string(), first.info().model_name, other.path().string(),
                                    other.info().model_name));
  }
}

double repeated_share(const traces::TraceReader& trace) {
  if (!trace.info().levels.tokens) return std::numeric_limits<double>::quiet_NaN();
  const std::uint32_t first = trace.info().n_prompt, end = trace.n_positions();
  std::vector<std::int32_t> ids(end > first ? end - first : 0);
  trace.token_ids(end - static_cast<std::uint32_t>(ids.size()), end, ids);
  return traces::repeated_ngram_share(ids);
}

// The given profile, or one calibrated on what is replayed; nothing when no strategy asks for demand.
std::optional<ReportProfile> find_profile(const Arguments& arguments, const std::vector<traces::TraceReader>& traces,
                                          const std::vector<std::string>& hashes) {
  if (!needs_profile(arguments.request)) return std::nullopt;
  ReportProfile found;
  found.path = arguments.profile;
  if (found.path.empty()) {
    std::vector<const traces::TraceReader*> pointers;
    for (const traces::TraceReader& trace : traces) pointers.push_back(&trace);
    found.profile = calibrate(pointers, kDefaultRhoOfWave);
  } else {
    found.profile = read_profile(found.path);
  }
  const std::vector<std::string>& used = found.profile.traces;
  found.in_sample = std::any_of(hashes.begin(), hashes.end(), [&](const std::string& hash) {
    return std::find(used.begin(), used.end(), hash) != used.end();
  });
  found.other_model = found.profile.model_sha256 != traces.front().info().model_sha256;
  if (found.other_model) {
    fmt::print(stderr, "warning: profile {} was made from {}, not from the replayed {}\n", found.path,
               found.profile.model_name, traces.front().info().model_name);
  }
  return found;
}

void print_timing(const Report& report) {
  double simulate = 0, evaluate = 0;
  for (const ReportTrace& trace : report.traces) {
    simulate += trace.replay->simulate_seconds;
    evaluate += trace.replay->evaluate_seconds;
  }
  const auto n = static_cast<double>(report.traces.front().replay->sweep.simulations.size());
  fmt::print(stderr, "{} simulations: phase 1 {:.2f} s ({:.0f} ms each), phase 2 {:.2f} s for all\n", n, simulate,
             1e3 * simulate / (n * static_cast<double>(report.traces.size())), evaluate);
}

// `auto` leaves to the CPU what a GPU cannot do; `cuda` refuses it.
kernels::Device find_device(const Arguments& arguments, const std::vector<traces::TraceReader>& traces) {
  const kernels::DeviceChoice& choice = arguments.device;
  if (choice.kind == kernels::DeviceChoice::Kind::cpu) return {};
  const bool automatic = choice.kind == kernels::DeviceChoice::Kind::automatic;
  const bool fits = std::all_of(traces.begin(), traces.end(), [](const traces::TraceReader& trace) {
    return trace.info().levels.qkv && DeviceReplay::can_hold(sequence_of(trace));
  });
  if (automatic && !fits) return {};
  const kernels::Device device = kernels::choose_device(choice, kernels::list_devices());
  const std::string strategy = beyond_device(arguments.request);
  if (!device.is_cuda() || strategy.empty()) return device;
  if (!automatic) {
    throw Error(fmt::format("--device cuda cannot replay {}; use --device cpu or auto", strategy));
  }
  fmt::print(stderr, "replaying on the CPU: {} is not served by {}\n", strategy, device.name);
  return {};
}

Report run(const Arguments& arguments) {
  std::vector<traces::TraceReader> traces;
  for (const std::string& path : arguments.traces) traces.emplace_back(path);
  check_same_model(traces);
  std::vector<std::string> hashes;
  for (const traces::TraceReader& trace : traces) hashes.push_back(trace.content_sha256());

  Report report;
  report.metrics = arguments.options.metrics;
  ReplayOptions options = arguments.options;
  options.device = find_device(arguments, traces);
  report.device =
      options.device.is_cuda() ? options.device.name : fmt::format("cpu ({})", to_string(kernels::simd_path()));
  report.profile = find_profile(arguments, traces, hashes);
  const std::vector<double> demand = report.profile ? report.profile->profile.demand : std::vector<double>();
  kernels::ThreadPool pool(arguments.threads);
  for (std::size_t t = 0; t < traces.size(); ++t) {
    ReportTrace entry;
    entry.path = arguments.traces[t];
    entry.content_sha256 = hashes[t];
    entry.model_name = traces[t].info().model_name;
    entry.model_sha256 = traces[t].info().model_sha256;
    entry.value_bytes = static_cast<std::uint32_t>(traces::byte_size(traces[t].info().qkv_dtype));
    entry.repeated_8grams = repeated_share(traces[t]);
    traces::ProgressBar bar(fmt::format("replay {}/{}", t + 1, traces.size()), traces[t].shape().n_layers,
                            !arguments.quiet);
    const auto progress = [&](std::uint64_t done, std::uint64_t total) {
      bar.update(done * traces[t].shape().n_layers / total, fmt::format("{} of {}", done, total));
    };
    entry.replay = replay_trace(traces[t], key_of(hashes[t]), arguments.request, demand, options, pool, progress);
    entry.summaries = summarise(*entry.replay->sums, entry.replay->sweep, entry.value_bytes);
    report.traces.push_back(std::move(entry));
  }
  finish_report(report);
  return report;
}

}  // namespace

int replay_command(std::span<const std::string> args) {
  const std::optional<Arguments> arguments = parse_arguments(args);
  if (!arguments) return traces::kComplete;
  check_outputs(*arguments);
  const traces::InterruptGuard guard;
  try {
    const Report report = run(*arguments);
    if (!arguments->results.empty()) write_results(arguments->results, report, arguments->force);
    if (!arguments->csv.empty()) traces::write_text_file(arguments->csv, report_csv(report), arguments->force);
    if (!arguments->json.empty()) traces::write_text_file(arguments->json, report_json(report), arguments->force);
    if (arguments->csv != "-" && arguments->json != "-") fmt::print("{}", report_table(report));
    if (!arguments->quiet) print_timing(report);
  } catch (const Interrupted&) {
    fmt::print(stderr, "kvwave replay: interrupted, nothing was written\n");
    return traces::kInterrupted;
  }
  return traces::kComplete;
}

}  // namespace kvwave::replay
