// What the shim's intrinsics ask of the scheduler.
#pragma once

#include <cstddef>
#include <cstdint>
#include <source_location>

namespace cudasim {

using Location = std::source_location;

enum class WarpOp { shuffle, ballot, sync, add, min, max, bit_and, bit_or, bit_xor, match };
enum class BarrierOp { plain, count, all, any };

/// One lane's part in a collective of the lanes named by `mask`; returns when all of them have arrived. `source` is the
/// lane a shuffle reads, or 1 for a signed reduction.
std::uint64_t warp_collective(WarpOp op, unsigned mask, std::uint64_t value, int source, const Location& where);
int block_barrier(BarrierOp op, bool predicate, const Location& where);
/// Lets the other threads of the block go on: for spin locks.
void yield();
void fence();
unsigned lane_id();
unsigned active_lanes();
void* dynamic_shared();

}  // namespace cudasim
