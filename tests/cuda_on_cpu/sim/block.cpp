// Runs the threads of one block: warp by warp, each lane until it waits for others; completes barriers, and finds out
// when they, or a warp's collectives, can never complete.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "internal.h"

extern "C" {
extern char __start_cudasim_shared[] __attribute__((weak));
extern char __stop_cudasim_shared[] __attribute__((weak));
}

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

namespace cudasim {

bool faulted = false;
std::vector<std::unique_ptr<Fiber>> fibers;
unsigned n_threads = 0;
std::array<unsigned, kMaxWarps> arrived{}, exited{};

namespace {

bool abort_on_fault = true;
std::string fault_text;

const std::function<void()>* thread_body = nullptr;
std::unique_ptr<std::byte[]> shared_memory;

// Happens-before objects. Start and end differ, and barriers alternate between two, so that a fiber that ran early does
// not look ordered before one that has not begun its half yet.
char at_start, at_end, at_fence;
std::array<char, 2> at_barrier;

// Volatile and unchecked: the guard zones between the statics are overwritten too.
__attribute__((no_sanitize("address", "thread"), noinline)) void spoil_static_shared() {
  for (volatile char* p = __start_cudasim_shared; p < __stop_cudasim_shared; ++p) *p = static_cast<char>(0xff);
}

/// One warp after the other, until each of its lanes waits at a barrier or has ended. Bounded, since a spinning warp
/// must let others go on.
void advance_warps(const std::vector<unsigned>& sequence) {
  constexpr int kMaxPasses = 256;
  for (unsigned first = 0; first < n_threads; first += 32) {
    bool any = true;
    for (int pass = 0; any && pass < kMaxPasses && !faulted; ++pass) {
      any = false;
      for (unsigned k = first; k < std::min(first + 32, n_threads) && !faulted; ++k) {
        Fiber& f = *fibers[sequence[k]];
        if (f.state != State::ready) continue;
        any = true;
        resume(f);
      }
    }
  }
}

void release_barrier(const Fiber& first, unsigned count) {
  for (unsigned i = 0; i < n_threads; ++i) {
    const Fiber& f = *fibers[i];
    if (f.where.line() != first.where.line() || f.barrier_op != first.barrier_op ||
        std::strcmp(f.where.file_name(), first.where.file_name()) != 0) {
      return fault("threads of one block wait at different barriers: " + where(first) + " and " + where(f));
    }
  }
  for (unsigned i = 0; i < n_threads; ++i) {
    Fiber& f = *fibers[i];
    f.state = State::ready;
    f.result = f.barrier_op == BarrierOp::all   ? count == n_threads
               : f.barrier_op == BarrierOp::any ? count != 0
                                                : count;
  }
}

/// What to do when no warp can go on alone. Returns true when the block has ended.
bool settle() {
  unsigned n_done = 0;
  unsigned n_waiting = 0;
  unsigned count = 0;
  bool ready = false;
  const Fiber* waiting = nullptr;
  const Fiber* in_warp_op = nullptr;
  const Fiber* ended = nullptr;
  for (unsigned i = 0; i < n_threads; ++i) {
    const Fiber& f = *fibers[i];
    ready |= f.state == State::ready;
    if (f.state == State::done) {
      ++n_done;
      ended = &f;
    } else if (f.state == State::at_warp) {
      in_warp_op = &f;
    } else if (f.state == State::at_barrier) {
      ++n_waiting;
      count += f.value != 0 ? 1 : 0;
      if (waiting == nullptr) waiting = &f;
    }
  }
  if (n_done == n_threads) return true;
  if (ready) return false;
  if (in_warp_op != nullptr) {
    fault("warp operation never completes, a lane of its mask is elsewhere: " + where(*in_warp_op) +
          (waiting != nullptr ? "; other threads wait at " + where(*waiting) : ""));
  } else if (ended != nullptr) {
    fault("thread (" + std::to_string(ended->thread.x) + ",..) exited before a barrier: " + std::to_string(n_waiting) +
          " threads wait, first " + where(*waiting));
  } else {
    release_barrier(*waiting, count);
  }
  return false;
}

}  // namespace

unsigned warp_end(unsigned warp) {
  return std::min(warp * 32 + 32, n_threads);
}

std::string where(const Fiber& f) {
  std::array<char, 512> text{};
  std::snprintf(text.data(), text.size(), "block (%u,%u,%u) thread (%u,%u,%u) at %s:%u", blockIdx.x, blockIdx.y,
                blockIdx.z, f.thread.x, f.thread.y, f.thread.z, f.where.file_name(),
                static_cast<unsigned>(f.where.line()));
  return text.data();
}

void fault(const std::string& message) {
  if (!faulted) {
    faulted = true;
    fault_text = message;
    std::fprintf(stderr, "cudasim: %s\n", message.c_str());
  }
  if (abort_on_fault) std::abort();
}
[[noreturn]] void fault_in_thread(const std::string& message) {
  fault(message + ": " + where(*current()));
  current()->state = State::at_barrier;
  suspend();
  std::abort();  // a faulted block is not resumed
}
void set_abort_on_fault(bool abort) {
  abort_on_fault = abort;
}
const std::string& last_fault() {
  return fault_text;
}
void clear_fault() {
  fault_text.clear();
  cudaGetLastError();
}

[[noreturn]] void fiber_main() {
  entered_fiber();
  for (;;) {  // reused for every block: no context is made per block
    acquire(&at_start);
    (*thread_body)();
    release(&at_end);
    Fiber& f = *current();
    f.state = State::done;
    exited[f.warp] |= 1U << f.lane;
    if (arrived[f.warp] != 0) complete_collectives(f.warp);  // an ended lane no longer holds up its warp
    suspend();
  }
}

bool prepare_fibers(dim3 block) {
  n_threads = block.x * block.y * block.z;
  while (fibers.size() < n_threads) {
    auto fiber = std::make_unique<Fiber>();
    if (!arm(*fiber)) return false;
    fibers.push_back(std::move(fiber));
  }
  for (unsigned i = 0; i < n_threads; ++i) {
    Fiber& f = *fibers[i];
    f.thread = {i % block.x, i / block.x % block.y, i / block.x / block.y};
    f.warp = i / 32;
    f.lane = i % 32;
  }
  return true;
}
void rearm_fibers() {
  for (const auto& fiber : fibers) arm(*fiber);
}

bool run_block(const std::vector<unsigned>& sequence, const std::function<void()>& thread, std::size_t shared_bytes) {
  thread_body = &thread;
  for (unsigned i = 0; i < n_threads; ++i) {
    fibers[i]->state = State::ready;
    fibers[i]->barrier_turn = 0;
  }
  arrived.fill(0);
  exited.fill(0);
  // Of the exact size, so that AddressSanitizer guards its end.
  shared_memory.reset(new std::byte[shared_bytes]);
  std::memset(shared_memory.get(), 0xff, shared_bytes);
  spoil_static_shared();
  release(&at_start);
  do {
    advance_warps(sequence);
  } while (!faulted && !settle());
  acquire(&at_end);
  return !faulted;
}

int block_barrier(BarrierOp op, bool predicate, const Location& here) {
  Fiber& f = *current();
  f.where = here;
  f.barrier_op = op;
  f.value = predicate ? 1 : 0;
  f.state = State::at_barrier;
  char& object = at_barrier[f.barrier_turn++ & 1];
  release(&object);
  suspend();
  acquire(&object);
  return static_cast<int>(f.result);
}

void fence() {
  release(&at_fence);
  acquire(&at_fence);
}
void yield() {
  suspend();
}
unsigned lane_id() {
  return current()->lane;
}
unsigned active_lanes() {
  const unsigned warp = current()->warp;
  unsigned lanes = 0;
  for (unsigned i = warp * 32; i < warp_end(warp); ++i) {
    lanes |= (fibers[i]->state != State::done ? 1U : 0U) << (i & 31);
  }
  return lanes;
}
void* dynamic_shared() {
  return shared_memory.get();
}

}  // namespace cudasim
