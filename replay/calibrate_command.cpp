// `kvwave calibrate`: traces to a Reasoning Wave profile, with the wave drawn and the layer budgets it implies.
#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "replay/calibrate.h"
#include "replay/commands.h"
#include "replay/compare_waves.h"
#include "replay/implied_budgets.h"
#include "replay/profile_export.h"
#include "replay/request_limits.h"
#include "replay/trace_list.h"
#include "replay/wave_plot.h"
#include "traces/command_line.h"
#include "traces/command_options.h"
#include "traces/output_file.h"
#include "traces/repetition.h"

namespace kvwave::replay {
namespace {

constexpr std::string_view kCalibrateUsage =
    "usage: kvwave calibrate TRACE|FOLDER|@LIST... [-o PROFILE.json] [--rho 0.93] [--budget 128] [--export "
    "FORMAT:FILE]...\n"
    "                        [--over-heads mean|median|max|group-max] [--over-steps mean|median|max]\n"
    "                        [--positions all|generated]\n"
    "       kvwave calibrate --compare TRACE... --with TRACE... [--with TRACE...]\n"
    "Mean demand N(rho) per layer over the decode rows of one model's traces: the profile that reasonalloc needs.";
constexpr std::uint32_t kWindow = 8;  // of R-KV, for the budgets shown
constexpr std::size_t kBarColumns = 32;

template <class Value>
void read_word(const boost::program_options::variables_map& values, const char* option, const char* known,
               Value& value) {
  if (!values.contains(option)) return;
  const std::string& word = values[option].as<std::string>();
  if (!parse_word(word, value)) throw traces::UsageError(fmt::format("--{} {}: expected {}", option, word, known));
}

// Share of repeated 8-grams of the generated tokens; nothing without level tokens.
std::optional<double> loop_share(const traces::TraceReader& trace) {
  if (!trace.info().levels.tokens) return std::nullopt;
  const std::uint32_t first = trace.info().n_prompt, end = trace.n_positions();
  std::vector<std::int32_t> ids(end - first);
  trace.token_ids(first, end, ids);
  return traces::repeated_ngram_share(ids);
}

void print_traces(std::span<const traces::TraceReader> readers, const Profile& profile) {
  std::size_t name_width = 5;
  for (const auto& trace : readers) name_width = std::max(name_width, trace.path().string().size());
  fmt::print("{:<{}}  {:>6}  {:>8}  {:>11}  {:>16}\n", "trace", name_width, "rows", "mean N", "W1 to mean",
             "repeated 8-grams");
  for (const auto& trace : readers) {
    const TraceWave wave = trace_wave(trace, profile.rho, profile.reading);
    double mean = 0;
    for (const double demand : wave.demand) mean += demand / static_cast<double>(wave.demand.size());
    const std::optional<double> loops = loop_share(trace);
    fmt::print("{:<{}}  {:>6}  {:>8.1f}  {:>11.4f}  {:>16}{}\n", trace.path().string(), name_width, wave.n_rows, mean,
               wave_distance(wave.demand, profile.demand), loops ? fmt::format("{:.2f}", *loops) : "-",
               loops.value_or(0) > traces::kRepetitionFlag ? "  LOOPS: not reasoning" : "");
  }
}

void print_budgets(const Profile& profile, std::uint32_t n_kv_heads, std::uint32_t budget) {
  const ImpliedBudgets implied = implied_budgets(profile, n_kv_heads, budget, kWindow);
  fmt::print("\nLayer budgets this implies, entries per KV head (reasonalloc-layer at {} on average, window {}):\n",
             budget, kWindow);
  fmt::print("{:>5}  {:>8}  {:>7}  {:>7}  {:>8}\n", "layer", fmt::format("N({:g})", profile.rho), "spread", "uniform",
             "budget");
  const double widest = *std::max_element(implied.per_head.begin(), implied.per_head.end());
  for (std::size_t l = 0; l < implied.per_head.size(); ++l) {
    std::string bar = draw_bar(implied.per_head[l], widest, kBarColumns);
    bar.erase(bar.find_last_not_of(' ') + 1);
    fmt::print("{:>5}  {:>8.1f}  {:>7.1f}  {:>7}  {:>8.1f}  {}\n", l, profile.demand[l], profile.demand_spread[l],
               budget, implied.per_head[l], bar);
  }
  fmt::print("total {} entries, uniform {}; bounds changed {} layers\n", implied.realised, implied.nominal,
             implied.bounds_hit);
}

}  // namespace

int calibrate_command(std::span<const std::string> args) {
  namespace po = boost::program_options;
  po::options_description options;
  options.add_options()("output,o", po::value<std::string>(),
                        "profile to write (JSON); - is stdout, without the report")(
      "force,f", "replace an existing profile")("rho", po::value<std::string>(), "share of a row's mass, default 0.93")(
      "budget,b", po::value<std::string>(), "entries per KV head of the budgets shown, default 128")(
      "over-heads", po::value<std::string>(), "query heads of a layer: mean (default), median, max or group-max")(
      "over-steps", po::value<std::string>(), "decode steps of a trace: mean (default), median or max")(
      "positions", po::value<std::string>(), "mass of all positions (default) or of the generated alone (level qkv)")(
      "export", po::value<std::vector<std::string>>(),
      "layer budgets as a table of another project: duoattention:FILE, headkv:FILE or lukv:FILE; repeats")(
      "compare", po::value<std::string>(), "traces of one data set: distances of waves instead of a profile")(
      "with", po::value<std::string>(), "traces of a data set to compare with; repeats")(
      "seed", po::value<std::string>(), "of the intervals of --compare; default 1");
  const auto [sets, rest] = split_sets(args);
  const auto values = traces::parse_options(kCalibrateUsage, options, "trace", rest);
  if (!values) return traces::kComplete;
  if (!values->contains("trace") && sets.empty()) throw traces::UsageError("calibrate needs at least one trace");
  const double rho =
      values->contains("rho") ? traces::parse_real("rho", (*values)["rho"].as<std::string>(), 0, 1) : kDefaultRhoOfWave;
  const auto budget = values->contains("budget")
                          ? static_cast<std::uint32_t>(traces::parse_integer(
                                "budget", (*values)["budget"].as<std::string>(), kWindow + 1, 1'000'000))
                          : 128U;
  WaveReading reading;
  read_word(*values, "over-heads", "mean, median, max or group-max", reading.heads);
  read_word(*values, "over-steps", "mean, median or max", reading.steps);
  read_word(*values, "positions", "all or generated", reading.positions);
  if (!sets.empty()) {
    if (values->contains("trace"))
      throw traces::UsageError("--compare and --with name all traces; no others are taken");
    if (values->contains("output")) throw traces::UsageError("--compare writes no profile; leave out --output");
    const std::string seed = values->contains("seed") ? (*values)["seed"].as<std::string>() : "1";
    compare_sets(sets, rho, reading, static_cast<std::uint64_t>(traces::parse_integer("seed", seed, 0, kLargestSeed)));
    return traces::kComplete;
  }
  const std::string output = values->contains("output") ? (*values)["output"].as<std::string>() : "";
  const bool force = values->contains("force");
  if (!output.empty() && output != "-") traces::check_output(output, force);

  std::vector<ExportTarget> exports;
  if (values->contains("export")) {
    for (const std::string& text : (*values)["export"].as<std::vector<std::string>>()) {
      exports.push_back(parse_export(text));
      traces::check_output(exports.back().path, force);
    }
  }

  std::vector<traces::TraceReader> readers;
  for (const std::string& path : list_traces((*values)["trace"].as<std::vector<std::string>>(), "")) {
    readers.emplace_back(path);
  }
  std::vector<const traces::TraceReader*> pointers;
  for (const auto& reader : readers) pointers.push_back(&reader);
  const Profile profile = calibrate(pointers, rho, reading);
  const traces::ModelShape& model = readers.front().shape();
  export_profile(profile, {model.n_q_heads, model.n_kv_heads, budget, kWindow}, exports, force);
  if (output == "-") {
    write_profile(output, profile, force);
    return traces::kComplete;
  }

  fmt::print("Reasoning Wave of {}: {} N({:g}) by layer, {} {}, {} decode rows\n\n", profile.model_name,
             to_string(reading), rho, readers.size(), readers.size() == 1 ? "trace" : "traces", profile.n_rows);
  fmt::print("{}{:>{}}\n\n", draw_wave(profile.demand, profile.demand_spread), "layer", 14);
  print_traces(readers, profile);
  print_budgets(profile, model.n_kv_heads, budget);
  if (!output.empty()) {
    write_profile(output, profile, force);
    fmt::print("profile written to {}\n", output);
  }
  for (const ExportTarget& target : exports) {
    fmt::print("{} table written to {}\n", to_string(target.format), target.path.string());
  }
  return traces::kComplete;
}

}  // namespace kvwave::replay
