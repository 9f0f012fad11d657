// Warp collectives: completes them when all lanes of a mask have arrived.
#include <algorithm>
#include <array>
#include <string>

#include "internal.h"
#include "sim_mma.h"

namespace cudasim {

MmaLane mma_lanes[kMaxWarps][32];

namespace {

// Happens-before objects of each thread; two that alternate, so that a lane that ran early does not look ordered before
// one that has not begun its half yet.
std::array<std::array<char, 2>, kMaxWarps * 32> at_lane;

std::uint64_t combine(WarpOp op, bool is_signed, std::uint64_t a, std::uint64_t b) {
  const auto as_signed = [](std::uint64_t v) { return static_cast<std::int64_t>(v); };
  switch (op) {
    case WarpOp::add:
      return a + b;
    case WarpOp::min:
      return (is_signed ? as_signed(a) < as_signed(b) : a < b) ? a : b;
    case WarpOp::max:
      return (is_signed ? as_signed(a) < as_signed(b) : a < b) ? b : a;
    case WarpOp::bit_and:
      return a & b;
    case WarpOp::bit_or:
      return a | b;
    default:
      return a ^ b;
  }
}

/// The lanes that take part with fiber i, or 0 when one of its mask has not arrived at the same collective yet.
unsigned complete_group(unsigned i) {
  const Fiber& f = *fibers[i];
  unsigned group = 0;
  for (unsigned j = f.warp * 32; j < warp_end(f.warp); ++j) {
    const Fiber& other = *fibers[j];
    if ((f.mask >> other.lane & 1) == 0 || other.state == State::done) continue;
    if (other.state != State::at_warp || other.mask != f.mask || other.warp_op != f.warp_op) return 0;
    group |= 1U << other.lane;
  }
  return group;
}

bool answer(Fiber& f, unsigned group, unsigned ballot, std::uint64_t reduced) {
  const unsigned first = f.warp * 32;
  switch (f.warp_op) {
    case WarpOp::shuffle:
      if ((group >> f.source & 1) == 0) {
        fault("shuffle reads lane " + std::to_string(f.source) + ", which takes no part: " + where(f));
        return false;
      }
      f.result = fibers[first + static_cast<unsigned>(f.source)]->value;
      return true;
    case WarpOp::match:
      f.result = 0;
      for (unsigned j = first; j < warp_end(f.warp); ++j) {
        if ((group >> (j - first) & 1) != 0 && fibers[j]->value == f.value) f.result |= std::uint64_t{1} << (j - first);
      }
      return true;
    case WarpOp::ballot:
      f.result = ballot;
      return true;
    default:
      f.result = reduced;
      return true;
  }
}

unsigned absent_lanes(unsigned warp) {
  const unsigned present = n_threads - warp * 32;
  return present >= 32 ? 0U : ~0U << present;
}

}  // namespace

void complete_collectives(unsigned warp) {
  const unsigned first = warp * 32;
  for (unsigned i = first; i < warp_end(warp); ++i) {
    if (fibers[i]->state != State::at_warp) continue;
    const unsigned group = complete_group(i);
    if (group == 0) continue;
    const WarpOp op = fibers[i]->warp_op;
    unsigned ballot = 0;
    unsigned turns = 0;
    std::uint64_t reduced = 0;
    bool any = false;
    for (unsigned j = first; j < warp_end(warp); ++j) {
      if ((group >> (j - first) & 1) == 0) continue;
      const Fiber& f = *fibers[j];
      ballot |= static_cast<unsigned>(f.value & 1) << f.lane;
      turns |= (f.warp_turn & 1) << f.lane;
      reduced = any ? combine(op, f.source == 1, reduced, f.value) : f.value;
      any = true;
    }
    for (unsigned j = first; j < warp_end(warp); ++j) {
      if ((group >> (j - first) & 1) == 0) continue;
      Fiber& f = *fibers[j];
      if (!answer(f, group, ballot, reduced)) return;
      f.partners = group;
      f.partner_turns = turns;
    }
    for (unsigned j = first; j < warp_end(warp); ++j) {
      if ((group >> (j - first) & 1) != 0) fibers[j]->state = State::ready;
    }
    arrived[warp] &= ~group;
  }
}

std::uint64_t warp_collective(WarpOp op, unsigned mask, std::uint64_t value, int source, const Location& here) {
  Fiber& f = *current();
  f.where = here;
  if ((mask >> f.lane & 1) == 0) fault_in_thread("calling lane is not in its own mask");
  f.warp_op = op;
  f.mask = mask;
  f.value = value;
  f.source = source;
  f.state = State::at_warp;
  const unsigned first = f.warp * 32;
  // Only __syncwarp orders memory; shuffles do not.
  if (op == WarpOp::sync) release(&at_lane[first + f.lane][++f.warp_turn & 1]);
  arrived[f.warp] |= 1U << f.lane;
  if ((mask & ~(arrived[f.warp] | exited[f.warp] | absent_lanes(f.warp))) == 0) complete_collectives(f.warp);
  if (f.state != State::ready || faulted) suspend();  // the last lane to arrive goes on without a switch
  if (op == WarpOp::sync) {
    for (unsigned j = 0; j < 32; ++j) {
      if ((f.partners >> j & 1) != 0) acquire(&at_lane[first + j][f.partner_turns >> j & 1]);
    }
  }
  return f.result;
}

}  // namespace cudasim
