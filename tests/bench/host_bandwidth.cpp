#include <algorithm>
#include <atomic>
#include <chrono>
#include <numeric>
#include <thread>
#include <vector>

#include "tests/bench/device_bandwidth.h"

namespace kvwave::bench {
namespace {

constexpr int kPasses = 10;

/// Best wall time of `kPasses` in which every thread does its share.
template <class Share>
double best_seconds(unsigned threads, Share&& share) {
  using Clock = std::chrono::steady_clock;
  double best = 1e300;
  for (int pass = 0; pass < kPasses; ++pass) {
    const Clock::time_point start = Clock::now();
    std::vector<std::jthread> workers;
    for (unsigned worker = 0; worker < threads; ++worker) workers.emplace_back([&share, worker] { share(worker); });
    workers.clear();
    best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
  }
  return best;
}

}  // namespace

Bandwidth host_bandwidth(unsigned threads, std::uint64_t bytes) {
  const std::size_t share = std::max<std::size_t>(bytes / 2 / sizeof(std::uint64_t) / threads, 1);
  std::vector<std::uint64_t> from(share * threads, 1);
  std::vector<std::uint64_t> to(from.size());
  std::atomic<std::uint64_t> sum = 0;  // keeps the compiler from dropping the loads
  const double read_seconds = best_seconds(threads, [&](unsigned worker) {
    const std::uint64_t* begin = from.data() + worker * share;
    sum += std::accumulate(begin, begin + share, std::uint64_t{0});
  });
  const double copy_seconds = best_seconds(
      threads, [&](unsigned worker) { std::copy_n(from.data() + worker * share, share, to.data() + worker * share); });
  const auto size = static_cast<double>(from.size() * sizeof(std::uint64_t));
  return {size / read_seconds, 2 * size / copy_seconds};
}

}  // namespace kvwave::bench
