// Times both phases of replay on one trace: phase 2 with 64 configurations against 1, for retained mass alone and with
// the output error, and phase 1 per configuration. Best of three, wall time of the phases alone (no file access).
// replay_bench TRACE [--json] [--threads N]
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "kernels/cpu_features.h"
#include "kernels/thread_pool.h"
#include "replay/replay_trace.h"
#include "traces/reader.h"

namespace {

using namespace std::string_literals;
using kvwave::replay::Metrics;
using kvwave::replay::SweepRequest;

constexpr int kRepeats = 3;

SweepRequest request(const std::vector<std::string>& strategies, std::uint32_t n_budgets) {
  SweepRequest request;
  for (const std::string& text : strategies) request.strategies.push_back(kvwave::alloc::Strategy::parse(text));
  for (std::uint32_t i = 0; i < n_budgets; ++i) request.budgets.push_back(64 + 16 * i);
  request.controls = false;
  return request;
}

struct Seconds {
  double simulate = 1e300, evaluate = 1e300;
};

Seconds best_of(const kvwave::traces::TraceReader& trace, const SweepRequest& request, const Metrics& metrics,
                kvwave::kernels::ThreadPool& pool) {
  Seconds best;
  const std::vector<double> demand(trace.shape().n_layers, 1.0);
  kvwave::replay::ReplayOptions options;
  options.metrics = metrics;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    const auto done = kvwave::replay::replay_trace(trace, 0, request, demand, options, pool, [](auto, auto) {});
    best.simulate = std::min(best.simulate, done->simulate_seconds);
    best.evaluate = std::min(best.evaluate, done->evaluate_seconds);
  }
  return best;
}

// Bytes of all attention rows of the decode steps, fp32.
double row_bytes(const kvwave::replay::Sequence& sequence) {
  double entries = 0;
  for (std::uint32_t s = 0; s < sequence.n_steps(); ++s) entries += sequence.n_prompt + s + 1;
  return entries * sequence.n_layers * sequence.n_q_heads * 4;
}

int bench(const std::string& path, bool json, unsigned threads) {
  const kvwave::traces::TraceReader trace(path);
  kvwave::kernels::ThreadPool pool(threads);
  const Metrics mass{.mass = true, .error = false, .recall = false};
  const Metrics error{.mass = true, .error = true, .recall = false};
  const Metrics all{};
  const SweepRequest one = request({"uniform/rkv"s}, 1);
  const SweepRequest many = request({"uniform/rkv"s, "uniform/snapkv"s, "pyramid/rkv"s, "reasonalloc-head/rkv"s}, 16);
  SweepRequest rkv = request({"uniform/rkv"s}, 1);
  rkv.budgets = {256};
  const Seconds mass_1 = best_of(trace, one, mass, pool), mass_64 = best_of(trace, many, mass, pool);
  const Seconds error_1 = best_of(trace, one, error, pool), error_64 = best_of(trace, many, error, pool);
  const Seconds all_1 = best_of(trace, one, all, pool), all_64 = best_of(trace, many, all, pool);
  const double rkv_ms = 1e3 * best_of(trace, rkv, mass, pool).simulate;
  const double gigabytes = row_bytes(kvwave::replay::sequence_of(trace)) / 1e9;
  if (json) {
    fmt::print(
        "{{\"mass_seconds_1\": {:.4f}, \"mass_seconds_64\": {:.4f}, \"mass_gb_per_second_1\": {:.2f}, "
        "\"mass_gb_per_second_64\": {:.2f}, \"error_seconds_1\": {:.4f}, \"error_seconds_64\": {:.4f}, "
        "\"all_seconds_1\": {:.4f}, \"all_seconds_64\": {:.4f}, \"phase1_ms_per_configuration\": {:.2f}, "
        "\"phase1_ms_per_configuration_of_64\": {:.2f}, \"threads\": {}, \"path\": \"{}\"}}\n",
        mass_1.evaluate, mass_64.evaluate, gigabytes / mass_1.evaluate, gigabytes / mass_64.evaluate, error_1.evaluate,
        error_64.evaluate, all_1.evaluate, all_64.evaluate, rkv_ms, 1e3 * mass_64.simulate / 64, pool.size(),
        to_string(kvwave::kernels::simd_path()));
    return 0;
  }
  fmt::print("{}, {} threads, {}: {:.2f} GB of attention rows\n", path, pool.size(),
             to_string(kvwave::kernels::simd_path()), gigabytes);
  fmt::print("{:<34}{:>12}{:>12}{:>10}{:>12}\n", "phase 2", "1 config", "64 configs", "ratio", "64: GB/s");
  const auto line = [&](const char* name, double few, double lots) {
    fmt::print("{:<34}{:>10.3f} s{:>10.3f} s{:>9.2f}x{:>12.2f}\n", name, few, lots, lots / few, gigabytes / lots);
  };
  line("retained mass", mass_1.evaluate, mass_64.evaluate);
  line("retained mass, output error", error_1.evaluate, error_64.evaluate);
  line("all metrics", all_1.evaluate, all_64.evaluate);
  fmt::print("phase 1: uniform/rkv at 256 {:.1f} ms, mean of 64 {:.1f} ms per configuration\n", rkv_ms,
             1e3 * mass_64.simulate / 64);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::string path;
  bool json = false;
  unsigned threads = 0;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--json") == 0) {
      json = true;
    } else if (std::strcmp(argv[i], "--threads") == 0 && i + 1 < argc) {
      threads = static_cast<unsigned>(std::stoul(argv[++i]));
    } else {
      path = argv[i];
    }
  }
  try {
    if (path.empty()) throw std::invalid_argument("usage: replay_bench TRACE [--json] [--threads N]");
    return bench(path, json, threads);
  } catch (const std::exception& error) {
    fmt::print(stderr, "replay_bench: {}\n", error.what());
    return 1;
  }
}
