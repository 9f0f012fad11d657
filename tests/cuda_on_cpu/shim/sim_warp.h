// Barriers, fences and warp collectives.
#pragma once

#include <cstdlib>
#include <cstring>
#include <type_traits>

#include "sim_scheduler.h"

// Each takes the place of its call, so that a report names the kernel's line.
#define CUDASIM_HERE cudasim::Location here = cudasim::Location::current()

namespace cudasim {

template <class T>
std::uint64_t to_bits(T value) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= sizeof(std::uint64_t));
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  return bits;
}
template <class T>
T from_bits(std::uint64_t bits) {
  T value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
template <class T>
T shuffle(unsigned mask, T value, int source, const Location& here) {
  return from_bits<T>(warp_collective(WarpOp::shuffle, mask, to_bits(value), source, here));
}

}  // namespace cudasim

inline void __syncthreads(CUDASIM_HERE) {
  cudasim::block_barrier(cudasim::BarrierOp::plain, false, here);
}
inline int __syncthreads_count(int p, CUDASIM_HERE) {
  return cudasim::block_barrier(cudasim::BarrierOp::count, p != 0, here);
}
inline int __syncthreads_and(int p, CUDASIM_HERE) {
  return cudasim::block_barrier(cudasim::BarrierOp::all, p != 0, here);
}
inline int __syncthreads_or(int p, CUDASIM_HERE) {
  return cudasim::block_barrier(cudasim::BarrierOp::any, p != 0, here);
}
inline void __syncwarp(unsigned mask = ~0U, CUDASIM_HERE) {
  cudasim::warp_collective(cudasim::WarpOp::sync, mask, 0, 0, here);
}
inline unsigned __activemask() {
  return cudasim::active_lanes();
}

template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32, CUDASIM_HERE) {
  const int lane = static_cast<int>(cudasim::lane_id());
  return cudasim::shuffle(mask, value, (lane & ~(width - 1)) | (source & (width - 1)), here);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int distance, int width = 32, CUDASIM_HERE) {
  const int lane = static_cast<int>(cudasim::lane_id());
  const int source = lane ^ distance;
  return cudasim::shuffle(mask, value, source > (lane | (width - 1)) ? lane : source, here);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned distance, int width = 32, CUDASIM_HERE) {
  const int lane = static_cast<int>(cudasim::lane_id());
  const int source = lane + static_cast<int>(distance);
  return cudasim::shuffle(mask, value, source > (lane | (width - 1)) ? lane : source, here);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned distance, int width = 32, CUDASIM_HERE) {
  const int lane = static_cast<int>(cudasim::lane_id());
  const int source = lane - static_cast<int>(distance);
  return cudasim::shuffle(mask, value, source < (lane & ~(width - 1)) ? lane : source, here);
}

inline unsigned __ballot_sync(unsigned mask, int p, CUDASIM_HERE) {
  return static_cast<unsigned>(cudasim::warp_collective(cudasim::WarpOp::ballot, mask, p != 0, 0, here));
}
inline int __any_sync(unsigned mask, int p, CUDASIM_HERE) {
  return cudasim::warp_collective(cudasim::WarpOp::ballot, mask, p != 0, 0, here) != 0;
}
inline int __all_sync(unsigned mask, int p, CUDASIM_HERE) {
  return cudasim::warp_collective(cudasim::WarpOp::ballot, mask, p == 0, 0, here) == 0;
}
template <class T>
unsigned __match_any_sync(unsigned mask, T value, CUDASIM_HERE) {
  return static_cast<unsigned>(
      cudasim::warp_collective(cudasim::WarpOp::match, mask, cudasim::to_bits(value), 0, here));
}

#define CUDASIM_REDUCE(NAME, OP)                                                                                 \
  inline unsigned NAME(unsigned mask, unsigned value, CUDASIM_HERE) {                                            \
    return static_cast<unsigned>(cudasim::warp_collective(cudasim::WarpOp::OP, mask, value, 0, here));           \
  }                                                                                                              \
  inline int NAME(unsigned mask, int value, CUDASIM_HERE) {                                                      \
    return static_cast<int>(cudasim::warp_collective(cudasim::WarpOp::OP, mask,                                  \
                                                     static_cast<std::uint64_t>(std::int64_t{value}), 1, here)); \
  }
CUDASIM_REDUCE(__reduce_add_sync, add)
CUDASIM_REDUCE(__reduce_min_sync, min)
CUDASIM_REDUCE(__reduce_max_sync, max)
CUDASIM_REDUCE(__reduce_and_sync, bit_and)
CUDASIM_REDUCE(__reduce_or_sync, bit_or)
CUDASIM_REDUCE(__reduce_xor_sync, bit_xor)
#undef CUDASIM_REDUCE

inline void __threadfence() {
  cudasim::fence();
}
inline void __threadfence_block() {
  cudasim::fence();
}
inline void __nanosleep(unsigned) {
  cudasim::yield();
}
[[noreturn]] inline void __trap() {
  std::abort();
}
