#include "replay/compare_waves.h"

#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>

#include "replay/error.h"
#include "replay/trace_list.h"
#include "replay/wave_comparison.h"
#include "traces/command_line.h"
#include "traces/reader.h"

namespace kvwave::replay {
namespace {

constexpr std::size_t kShownLayers = 5;

WaveSet read_set(const std::vector<std::string>& words, char letter, double rho, const WaveReading& reading) {
  WaveSet set;
  set.name = std::string(1, letter);
  for (const std::string& path : list_traces(words, "")) {
    set.traces.push_back(calibrated_trace(traces::TraceReader(path), rho, reading));
    const CalibratedTrace &first = set.traces.front(), &last = set.traces.back();
    if (first.model_sha256 == last.model_sha256 && first.wave.demand.size() == last.wave.demand.size()) continue;
    throw UnequalTraces(fmt::format("{} is of model {} and {} of model {}: a set to compare holds one model",
                                    first.path, first.model_name, last.path, last.model_name));
  }
  return set;
}

void refuse_shared_traces(std::span<const WaveSet> sets) {
  std::map<std::string, const CalibratedTrace*> first;
  for (const WaveSet& set : sets) {
    for (const CalibratedTrace& trace : set.traces) {
      const auto [at, added] = first.emplace(trace.content_sha256, &trace);
      if (added) continue;
      throw DuplicateTrace(fmt::format("{} and {} hold the same recording (content {}): each trace counts once",
                                       at->second->path, trace.path, trace.content_sha256.substr(0, 12)));
    }
  }
}

std::string interval_text(const Interval& interval, int digits) {
  if (std::isnan(interval.low)) return "";
  return fmt::format("[{:.{}f}, {:.{}f}]", interval.low, digits, interval.high, digits);
}

std::string number_text(double value) {
  return std::isnan(value) ? "-" : fmt::format("{:.4f}", value);
}

void print_sets(std::span<const WaveSet> sets, double rho, const WaveReading& reading) {
  fmt::print("Waves N({:g}), {} over query heads: W1 distance of curves normalised to sum 1, over relative depth\n\n",
             rho, to_string(reading));
  for (const WaveSet& set : sets) {
    fmt::print("  {}  {} {} of {} ({} layers), from {}\n", set.name, set.traces.size(),
               set.traces.size() == 1 ? "trace" : "traces", set.traces.front().model_name,
               set.traces.front().wave.demand.size(), set.traces.front().path);
  }
}

void print_distances(std::span<const WaveSet> sets, std::span<const SetDistances> distances) {
  fmt::print("\n{:<26}  {:>8}  {:<19} {:>8}  {:<19}\n", "", "traces", "95 % interval", "means", "95 % interval");
  for (const SetDistances& found : distances) {
    const std::string label = found.a == found.b ? fmt::format("within {}", sets[found.a].name)
                                                 : fmt::format("{} to {}, {}", sets[found.a].name, sets[found.b].name,
                                                               found.same_model ? "same model" : "across models");
    fmt::print("{:<26}  {:>8}  {:<19} {:>8}  {:<19}\n", label, number_text(found.of_traces.value),
               interval_text(found.of_traces.interval, 4), number_text(found.of_means.value),
               interval_text(found.of_means.interval, 4));
  }
  fmt::print(
      "\ntraces: mean over pairs of traces; means: between the mean waves. Resampling mean waves of few traces adds\n"
      "their scatter, so that interval can lie above the value. The ReasonAlloc paper reports 0.0132 across tasks and\n"
      "0.0503 across models.\n");
  const bool few =
      std::any_of(sets.begin(), sets.end(), [](const WaveSet& set) { return set.traces.size() < kFewTraces; });
  if (few) fmt::print("A set has fewer than {} traces: its intervals mean little.\n", kFewTraces);
}

void print_layers(const WaveSet& a, const WaveSet& b, const BootstrapOptions& options) {
  const std::vector<LayerDifference> layers = layer_differences(a, b, kShownLayers, options);
  if (layers.empty()) {
    fmt::print("\n{} and {} differ in their number of layers: no comparison layer by layer\n", a.name, b.name);
    return;
  }
  fmt::print("\nLargest differences of a layer's share of the demand, {} minus {}, in percent points:\n", a.name,
             b.name);
  for (const LayerDifference& layer : layers) {
    const Interval percent{100 * layer.interval.low, 100 * layer.interval.high};
    fmt::print("  layer {:>3}: {:>5.2f} % and {:>5.2f} %, {:>+6.2f} {}\n", layer.layer, 100 * layer.share_a,
               100 * layer.share_b, 100 * (layer.share_a - layer.share_b), interval_text(percent, 2));
  }
}

}  // namespace

SplitArguments split_sets(std::span<const std::string> args) {
  SplitArguments split;
  bool compared = false;
  for (std::size_t i = 0; i < args.size(); ++i) {
    const bool compare = args[i] == "--compare";
    if (!compare && args[i] != "--with") {
      split.rest.push_back(args[i]);
      continue;
    }
    if (compare && compared) throw traces::UsageError("option --compare is given twice; --with repeats");
    if (!compare && !compared) throw traces::UsageError("--with needs --compare before it");
    compared = true;
    std::vector<std::string>& set = split.sets.emplace_back();
    const std::string option = args[i];
    while (i + 1 < args.size() && !args[i + 1].starts_with("-")) set.push_back(args[++i]);
    if (set.empty()) throw traces::UsageError(fmt::format("option {} needs traces after it", option));
  }
  if (split.sets.size() == 1) throw traces::UsageError("--compare needs --with and traces to compare with");
  if (split.sets.size() > 26) throw traces::UsageError("at most 26 sets can be compared");
  return split;
}

void compare_sets(std::span<const std::vector<std::string>> sets, double rho, const WaveReading& reading,
                  std::uint64_t seed) {
  std::vector<WaveSet> waves;
  for (std::size_t s = 0; s < sets.size(); ++s) {
    waves.push_back(read_set(sets[s], static_cast<char>('A' + s), rho, reading));
  }
  refuse_shared_traces(waves);
  const BootstrapOptions options{.seed = seed, .resamples = 2000};
  print_sets(waves, rho, reading);
  print_distances(waves, set_distances(waves, options));
  for (std::size_t a = 0; a < waves.size(); ++a) {
    for (std::size_t b = a + 1; b < waves.size(); ++b) print_layers(waves[a], waves[b], options);
  }
}

}  // namespace kvwave::replay
