// Times both phases of replay on one trace held in memory: phase 2 with 64 configurations against 1, for retained mass
// alone, with the output error and with all metrics; phase 1 of one configuration on one thread, for the keys of the
// trace and for keys without a near-duplicate (the most work that R-KV's redundancy can make), beside what the machine
// needs for the arithmetic; and one configuration over rows that lie in memory beside the machine's read bandwidth.
// Best of several; no file access is timed. replay_bench TRACE [--json] [--threads N] [--repeats N] [--only
// mass,error,all,phase1,rows]
#include <algorithm>
#include <chrono>
#include <map>
#include <random>
#include <string>
#include <time.h>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "kernels/cpu_features.h"
#include "kernels/thread_pool.h"
#include "replay/evaluate.h"
#include "replay/replay_trace.h"
#include "tests/bench/phase1_bound.h"
#include "tests/bench/row_bandwidth.h"
#include "tests/bench/simd_peak.h"
#include "tests/bench/tool_main.h"
#include "traces/reader.h"

namespace kvwave::bench {

namespace {

using namespace std::string_literals;
using Clock = std::chrono::steady_clock;

constexpr std::uint32_t kPhase1Budget = 256, kBandwidthPrompt = 1000;

struct Options {
  std::string path;
  std::vector<std::string> only = {"mass", "error", "all", "phase1", "rows"};
  bool json = false;
  unsigned threads = 0;
  int repeats = 5;
};

struct Seconds {
  double wall = 1e300;
  double core = 1e300;  // processor time of all threads
};

double core_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// The least of the times so far and that of another round.
template <class Work>
void measure(Work&& work, Seconds& best) {
  const auto start = Clock::now();
  const double core = core_seconds();
  work();
  best.wall = std::min(best.wall, std::chrono::duration<double>(Clock::now() - start).count());
  best.core = std::min(best.core, core_seconds() - core);
}

template <class Work>
Seconds best_of(int repeats, Work&& work) {
  Seconds best;
  for (int repeat = 0; repeat < repeats; ++repeat) measure(work, best);
  return best;
}

// A trace's layers in memory.
struct Layers {
  replay::Sequence sequence;
  std::vector<replay::LayerTensors> tensors;

  explicit Layers(const traces::TraceReader& trace) : sequence(replay::sequence_of(trace)) {
    for (std::uint32_t l = 0; l < sequence.n_layers; ++l) tensors.emplace_back(trace, sequence, l);
  }
};

// The same shape with independent random keys: hardly two are alike, so that every pair is looked at.
std::vector<replay::LayerTensors> unlike_keys(const replay::Sequence& sequence) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  const std::size_t n = std::size_t{sequence.n_positions} * sequence.head_dim;
  std::vector<float> q(n * sequence.n_q_heads), k(n * sequence.n_kv_heads);
  for (std::vector<float>* const values : {&q, &k}) {
    for (float& x : *values) x = normal(random);
  }
  std::vector<replay::LayerTensors> layers;
  for (std::uint32_t l = 0; l < sequence.n_layers; ++l) layers.emplace_back(sequence, l, q, k, k);
  return layers;
}

replay::Sweep sweep_of(const std::vector<std::string>& strategies, const std::vector<std::uint32_t>& budgets,
                       const replay::Sequence& sequence) {
  replay::SweepRequest request;
  for (const std::string& text : strategies) request.strategies.push_back(alloc::Strategy::parse(text));
  request.budgets = budgets;
  request.controls = false;
  return build_sweep(request, sequence, std::vector<double>(sequence.n_layers, 1.0));
}

using Residency = std::vector<std::vector<replay::LayerResidency>>;  // [layer][simulation]

Residency simulate(const std::vector<replay::LayerTensors>& layers, const replay::Sweep& sweep) {
  Residency found(layers.size());
  replay::StatisticsScratch scratch;
  for (std::uint32_t l = 0; l < found.size(); ++l) {
    replay::StatisticsSource source;
    source.tensors = &layers[l];
    for (const replay::Simulation& simulation : sweep.simulations) {
      found[l].push_back(simulate_layer(simulation, layers[l].sequence(), l, source, 0, scratch));
    }
  }
  return found;
}

class Bench {
 public:
  explicit Bench(const Options& options) : options_(options), layers_(traces::TraceReader(options.path)) {
    std::vector<std::uint32_t> budgets;
    for (std::uint32_t i = 0; i < 16; ++i) budgets.push_back(64 + 16 * i);
    one_ = sweep_of({"uniform/rkv"s}, {64}, layers_.sequence);
    many_ = sweep_of({"uniform/rkv"s, "uniform/snapkv"s, "pyramid/rkv"s, "reasonalloc-head/rkv"s}, budgets,
                     layers_.sequence);
  }

  int run() {
    const std::map<std::string, replay::Metrics> parts = {
        {"mass", {.error = false, .recall = false}}, {"error", {.recall = false}}, {"all", {}}};
    const bool any = std::any_of(options_.only.begin(), options_.only.end(),
                                 [&](const std::string& part) { return parts.contains(part); });
    kernels::ThreadPool pool(options_.threads);
    result_["threads"] = pool.size();
    result_["path"] = to_string(kernels::simd_path());
    const Residency few = any ? simulate(layers_.tensors, one_) : Residency(),
                    lots = any ? simulate(layers_.tensors, many_) : Residency();
    for (const std::string& part : options_.only) {
      if (parts.contains(part)) phase2(part, parts.at(part), few, lots, pool);
      if (part == "rows") rows();
    }
    if (std::find(options_.only.begin(), options_.only.end(), "phase1") != options_.only.end()) phase1();
    if (options_.json) fmt::print("{}\n", result_.dump());
    return 0;
  }

 private:
  void phase2(const std::string& name, const replay::Metrics& metrics, const Residency& few, const Residency& lots,
              kernels::ThreadPool& pool) {
    const auto evaluate = [&](const replay::Sweep& sweep, const Residency& residency) {
      replay::MetricSums sums(layers_.sequence, sweep, metrics, false);
      for (std::size_t l = 0; l < residency.size(); ++l) {
        evaluate_layer(layers_.tensors[l], sweep, residency[l], metrics, pool, sums);
      }
    };
    Seconds of_1, of_64;
    for (int repeat = 0; repeat < options_.repeats; ++repeat) {  // by turns: the machine may change its pace
      measure([&] { evaluate(one_, few); }, of_1);
      measure([&] { evaluate(many_, lots); }, of_64);
    }
    double entries = 0;
    for (std::uint32_t s = 0; s < layers_.sequence.n_steps(); ++s) entries += layers_.sequence.n_prompt + s + 1;
    const double gigabytes = entries * layers_.sequence.n_layers * layers_.sequence.n_q_heads * 4e-9;
    result_[name] = {{"seconds_1", of_1.wall},
                     {"seconds_64", of_64.wall},
                     {"core_seconds_1", of_1.core},
                     {"core_seconds_64", of_64.core},
                     {"gb_per_second_64", gigabytes / of_64.wall}};
    print(
        "phase 2, {}: 64 configurations {:.3f} s, 1 configuration {:.3f} s = {:.2f}x (core time {:.3f} / {:.3f} s = "
        "{:.2f}x), {:.2f} GB/s of attention rows\n",
        name, of_64.wall, of_1.wall, of_64.wall / of_1.wall, of_64.core, of_1.core, of_64.core / of_1.core,
        gigabytes / of_64.wall);
  }

  void phase1() {
    const replay::Sweep rkv = sweep_of({"uniform/rkv"s}, {kPhase1Budget}, layers_.sequence);
    const double of_trace = best_of(options_.repeats, [&] { simulate(layers_.tensors, rkv); }).core;
    layers_.tensors = unlike_keys(layers_.sequence);  // nothing comes after this part
    const double of_unlike = best_of(options_.repeats, [&] { simulate(layers_.tensors, rkv); }).core;
    const MachineRates rates{simd_peak_flops(), read_bytes_per_second(static_cast<std::uint32_t>(options_.repeats))};
    const alloc::RefreshRule rule = rkv.simulations.front().scorer->rule();
    const Phase1Bound bound = phase1_bound(layers_.sequence, rule, kPhase1Budget, rates);
    result_["phase1"] = {{"core_ms", 1e3 * of_trace},        {"unlike_core_ms", 1e3 * of_unlike},
                         {"budget", kPhase1Budget},          {"steps", layers_.sequence.n_steps()},
                         {"refreshes", bound.refreshes},     {"bound_ms", 1e3 * bound.seconds()},
                         {"peak_gflops", 1e-9 * rates.flops}};
    print(
        "phase 1, uniform/rkv at {}, {} steps, {} layers x {} KV heads, {} refreshes: {:.1f} core-ms; keys without "
        "near-duplicates {:.1f} core-ms\n"
        "  bound: reading {:.1f} + scoring {:.1f} + n^2 d at half of {:.0f} GFLOP/s {:.1f} = {:.1f} ms\n",
        kPhase1Budget, layers_.sequence.n_steps(), layers_.sequence.n_layers, layers_.sequence.n_kv_heads,
        bound.refreshes, 1e3 * of_trace, 1e3 * of_unlike, 1e3 * bound.read_seconds, 1e3 * bound.score_seconds,
        1e-9 * rates.flops, 1e3 * bound.product_seconds, 1e3 * bound.seconds());
  }

  void rows() {
    const RowBandwidth seen = measure_row_bandwidth(kBandwidthPrompt, static_cast<std::uint32_t>(options_.repeats));
    result_["rows"] = {{"read_gb_per_second", seen.read_gb_per_second},
                       {"replay_gb_per_second", seen.replay_gb_per_second}};
    print(
        "one configuration over {:.2f} GB of fp32 rows in memory, one thread: {:.1f} GB/s, plain reading {:.1f} GB/s = "
        "{:.0f} %\n",
        seen.gigabytes, seen.replay_gb_per_second, seen.read_gb_per_second,
        100 * seen.replay_gb_per_second / seen.read_gb_per_second);
  }

  template <class... Args>
  void print(fmt::format_string<Args...> format, Args&&... args) const {
    if (!options_.json) fmt::print(format, std::forward<Args>(args)...);
  }

  Options options_;
  Layers layers_;
  replay::Sweep one_, many_;
  nlohmann::json result_;
};

Options parse(std::span<const std::string> args) {
  Options options;
  for (std::size_t i = 0; i < args.size(); ++i) {
    const bool has_value = i + 1 < args.size();
    if (args[i] == "--json") {
      options.json = true;
    } else if (args[i] == "--threads" && has_value) {
      options.threads = static_cast<unsigned>(traces::parse_integer("threads", args[++i], 1, 1024));
    } else if (args[i] == "--repeats" && has_value) {
      options.repeats = static_cast<int>(traces::parse_integer("repeats", args[++i], 1, 1000));
    } else if (args[i] == "--only" && has_value) {
      options.only = traces::parse_list("only", args[++i]);
    } else {
      options.path = args[i];
    }
  }
  if (options.path.empty()) {
    throw traces::UsageError("usage: replay_bench TRACE [--json] [--threads N] [--repeats N] [--only PART,...]");
  }
  return options;
}

}  // namespace

}  // namespace kvwave::bench

int main(int argc, char** argv) {
  return kvwave::bench::run_tool("replay_bench", argc, argv, [](std::span<const std::string> args) {
    return kvwave::bench::Bench(kvwave::bench::parse(args)).run();
  });
}
