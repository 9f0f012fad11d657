// Launches: checks them as a device would, then runs the blocks of the grid one after the other.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <numeric>
#include <optional>
#include <random>

#include "internal.h"

namespace cudasim {
namespace {

constexpr std::size_t kDefaultShared = 48 * 1024, kMaxShared = 99 * 1024;  // the least of the supported architectures

Order thread_order = Order::forward;
std::uint64_t shuffle_seed = 1;
std::mt19937_64 shuffle_random{1};
std::uint64_t n_launches = 0;
std::optional<std::uint64_t> failing_launch;

void read_environment() {
  static bool done = false;
  if (std::exchange(done, true)) return;
  const char* text = std::getenv("CUDASIM_ORDER");
  if (text == nullptr) return;
  const std::string order = text;
  const auto colon = order.find(':');
  const std::uint64_t seed = colon == std::string::npos ? 1 : std::stoull(order.substr(colon + 1));
  if (order.starts_with("reverse")) return set_order(Order::reverse);
  if (order.starts_with("shuffle")) return set_order(Order::shuffle, seed);
  if (order == "forward") return set_order(Order::forward);
  std::fprintf(stderr, "cudasim: CUDASIM_ORDER=%s is none of forward, reverse, shuffle[:seed]\n", text);
  std::abort();
}

std::map<const void*, std::size_t>& shared_limits() {
  static std::map<const void*, std::size_t> limits;
  return limits;
}

}  // namespace

void set_order(Order order, std::uint64_t seed) {
  thread_order = order;
  shuffle_seed = seed;
  shuffle_random.seed(seed);
}

std::uint64_t launches() {
  return n_launches;
}
void fail_launch_after(std::uint64_t good) {
  failing_launch = n_launches + good;
}

std::vector<unsigned> thread_sequence() {
  const unsigned n_warps = (n_threads + 31) / 32;
  std::vector<unsigned> warps(n_warps);
  std::iota(warps.begin(), warps.end(), 0U);
  if (thread_order == Order::reverse) std::reverse(warps.begin(), warps.end());
  if (thread_order == Order::shuffle) std::shuffle(warps.begin(), warps.end(), shuffle_random);
  std::vector<unsigned> sequence;
  sequence.reserve(n_threads);
  for (const unsigned warp : warps) {
    const auto first = static_cast<std::ptrdiff_t>(sequence.size());
    for (unsigned i = warp * 32; i < std::min(warp * 32 + 32, n_threads); ++i) sequence.push_back(i);
    if (thread_order == Order::reverse) std::reverse(sequence.begin() + first, sequence.end());
    if (thread_order == Order::shuffle) std::shuffle(sequence.begin() + first, sequence.end(), shuffle_random);
  }
  return sequence;
}

cudaError_t set_max_shared(const void* kernel, int bytes) {
  const cudasim::RuntimeLock lock(cudasim::runtime_mutex());
  if (bytes < 0 || static_cast<std::size_t>(bytes) > kMaxShared) return remember(cudaErrorInvalidValue);
  shared_limits()[kernel] = static_cast<std::size_t>(bytes);
  return cudaSuccess;
}

cudaError_t check_launch(const cudaLaunchConfig_t& config, const void* kernel) {
  const cudasim::RuntimeLock lock(cudasim::runtime_mutex());
  const auto& [grid, block] = std::pair{config.gridDim, config.blockDim};
  const std::size_t n = std::size_t{block.x} * block.y * block.z;
  const auto found = shared_limits().find(kernel);
  const std::size_t limit = found == shared_limits().end() ? kDefaultShared : std::max(found->second, kDefaultShared);
  const bool grid_ok =
      grid.x > 0 && grid.y > 0 && grid.z > 0 && grid.x <= 0x7fffffffU && grid.y <= 65535 && grid.z <= 65535;
  if (n > 0 && n <= 1024 && block.z <= 64 && grid_ok && config.dynamicSmemBytes <= limit) return cudaSuccess;
  std::fprintf(stderr,
               "cudasim: invalid launch: grid (%u,%u,%u), %zu threads, %zu bytes of dynamic shared memory, limit %zu\n",
               grid.x, grid.y, grid.z, n, config.dynamicSmemBytes, limit);
  return remember(cudaErrorInvalidConfiguration);
}

cudaError_t run_grid(const cudaLaunchConfig_t& config, const std::function<void()>& thread) {
  const cudasim::RuntimeLock lock(cudasim::runtime_mutex());
  read_environment();
  if (failing_launch == n_launches++) return remember(cudaErrorLaunchFailure);
  blockDim = config.blockDim;
  gridDim = config.gridDim;
  faulted = false;
  begin_switching();
  if (!prepare_fibers(blockDim)) return remember(cudaErrorMemoryAllocation);
  show_device_memory(true);
  for (unsigned z = 0; z < gridDim.z && !faulted; ++z) {
    for (unsigned y = 0; y < gridDim.y && !faulted; ++y) {
      for (unsigned x = 0; x < gridDim.x && !faulted; ++x) {
        blockIdx = {x, y, z};
        run_block(thread_sequence(), thread, config.dynamicSmemBytes);
      }
    }
  }
  show_device_memory(false);
  if (faulted) rearm_fibers();  // leaves the frames of a half-run block behind
  forget_current();
  return faulted ? remember(cudaErrorLaunchFailure) : cudaSuccess;
}

}  // namespace cudasim
