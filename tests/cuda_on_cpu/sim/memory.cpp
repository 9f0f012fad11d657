// Device and pinned memory: plain allocations with guard zones, filled with values that must not look right.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <utility>

#include "internal.h"

namespace cudasim {
namespace {

constexpr std::size_t kAlign = 256;

using Allocations = std::map<const char*, std::size_t>;
Allocations& device_memory() {
  static Allocations allocations;
  return allocations;
}
Allocations& pinned_memory() {
  static Allocations allocations;
  return allocations;
}
std::size_t limit = std::size_t{1} << 40, in_use = 0, peak = 0;

std::size_t rounded(std::size_t bytes) {
  return (bytes + kAlign - 1) / kAlign * kAlign;
}

bool inside(const Allocations& allocations, const void* p, std::size_t bytes) {
  const auto* begin = static_cast<const char*>(p);
  auto found = allocations.upper_bound(begin);
  if (found == allocations.begin()) return false;
  --found;
  return begin + bytes <= found->first + found->second;
}

char* allocate(Allocations& allocations, std::size_t bytes) {
  auto* p = static_cast<char*>(std::aligned_alloc(kAlign, rounded(bytes)));
  if (p == nullptr) return nullptr;
  std::memset(p, 0xcb, bytes);
  allocations[p] = bytes;
  // The tail up to the rounded size stays poisoned for good.
  ASAN_POISON_MEMORY_REGION(p + bytes, rounded(bytes) - bytes);
  return p;
}
cudaError_t release_from(Allocations& allocations, void* p) {
  if (p == nullptr) return cudaSuccess;
  const auto found = allocations.find(static_cast<char*>(p));
  if (found == allocations.end()) return remember(cudaErrorInvalidValue);
  ASAN_UNPOISON_MEMORY_REGION(p, rounded(found->second));
  std::free(p);
  allocations.erase(found);
  return cudaSuccess;
}

}  // namespace

void set_memory_limit(std::size_t bytes) {
  limit = bytes;
}
std::size_t memory_in_use() {
  return in_use;
}

std::size_t take_memory_peak() {
  return std::exchange(peak, in_use);
}

void show_device_memory(bool visible) {
  for (const auto& [p, bytes] : device_memory()) {
    if (visible) {
      ASAN_UNPOISON_MEMORY_REGION(p, bytes);
    } else {
      ASAN_POISON_MEMORY_REGION(p, bytes);
    }
  }
}
bool on_device(const void* p, std::size_t bytes) {
  return inside(device_memory(), p, bytes);
}
bool pinned(const void* p, std::size_t bytes) {
  return inside(pinned_memory(), p, bytes);
}

cudaError_t allocate_device(void** p, std::size_t bytes) {
  const cudasim::RuntimeLock lock(cudasim::runtime_mutex());
  if (bytes > limit || in_use > limit - bytes) return remember(cudaErrorMemoryAllocation);
  *p = allocate(device_memory(), bytes);
  if (*p == nullptr) return remember(cudaErrorMemoryAllocation);
  in_use += bytes;
  peak = std::max(peak, in_use);
  ASAN_POISON_MEMORY_REGION(*p, bytes);
  return cudaSuccess;
}
cudaError_t allocate_host(void** p, std::size_t bytes) {
  const cudasim::RuntimeLock lock(cudasim::runtime_mutex());
  *p = allocate(pinned_memory(), bytes);
  return *p != nullptr ? cudaSuccess : remember(cudaErrorMemoryAllocation);
}

}  // namespace cudasim

cudaError_t cudaFree(void* p) {
  const cudasim::RuntimeLock lock(cudasim::runtime_mutex());
  cudasim::drain_all();  // as the device does
  const auto found = cudasim::device_memory().find(static_cast<char*>(p));
  if (found != cudasim::device_memory().end()) cudasim::in_use -= found->second;
  return cudasim::release_from(cudasim::device_memory(), p);
}
cudaError_t cudaFreeHost(void* p) {
  const cudasim::RuntimeLock lock(cudasim::runtime_mutex());
  cudasim::drain_all();
  return cudasim::release_from(cudasim::pinned_memory(), p);
}
cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  const cudasim::RuntimeLock lock(cudasim::runtime_mutex());
  *total = cudasim::limit;
  *free = cudasim::limit - std::min(cudasim::limit, cudasim::in_use);
  return cudaSuccess;
}
