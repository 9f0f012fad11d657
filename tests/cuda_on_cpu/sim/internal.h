// Shared by the parts of the simulated device.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "control.h"
#include "sim_language.h"
#include "sim_runtime.h"
#include "sim_scheduler.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n) (static_cast<void>(p), static_cast<void>(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) (static_cast<void>(p), static_cast<void>(n))
#endif
#ifdef CUDASIM_TSAN  // kernels are built with -fsanitize=thread, the scheduler itself is not
#include <sanitizer/tsan_interface.h>
#endif

namespace cudasim {

enum class State : unsigned char { ready, at_barrier, at_warp, done };

/// One CUDA thread of the running block.
struct Fiber {
  char* stack = nullptr;
  void* context = nullptr;
  void* asan_fake_stack = nullptr;
  void* tsan = nullptr;

  State state = State::ready;
  unsigned lane = 0, warp = 0;
  uint3 thread{};
  // What it waits for.
  WarpOp warp_op{};
  BarrierOp barrier_op{};
  unsigned mask = 0;
  int source = 0;
  std::uint64_t value = 0, result = 0;
  Location where;
  // Which of two alternating happens-before objects it used last; those of its partners.
  unsigned barrier_turn = 0, warp_turn = 0, partners = 0, partner_turns = 0;
};

// fiber.cpp
/// Gives the fiber a stack and a context that starts at fiber_main.
bool arm(Fiber& fiber);
void resume(Fiber& fiber);  ///< from the scheduler
void suspend();             ///< back to the scheduler
Fiber* current();
void forget_current();
void begin_switching();          ///< before the first resume of a launch
void entered_fiber();            ///< first thing on a fresh stack
[[noreturn]] void fiber_main();  // block.cpp

// Happens-before edges for ThreadSanitizer: nothing in other builds.
void release(void* object);
void acquire(void* object);

// block.cpp: the running block
constexpr unsigned kMaxWarps = 32;
extern std::vector<std::unique_ptr<Fiber>> fibers;
extern unsigned n_threads;
extern std::array<unsigned, kMaxWarps> arrived, exited;  // lanes inside a collective; lanes that have ended
extern bool faulted;
unsigned warp_end(unsigned warp);
std::string where(const Fiber& fiber);
void fault(const std::string& message);
[[noreturn]] void fault_in_thread(const std::string& message);
bool run_block(const std::vector<unsigned>& sequence, const std::function<void()>& thread, std::size_t shared_bytes);
bool prepare_fibers(dim3 block);
void rearm_fibers();

// warp.cpp
/// Releases every group of lanes whose whole mask, but for lanes that have ended, has arrived.
void complete_collectives(unsigned warp);

// launch.cpp
std::vector<unsigned> thread_sequence();

// memory.cpp
/// Outside kernels device memory is poisoned: a host dereference is an AddressSanitizer report.
void show_device_memory(bool visible);
bool on_device(const void* p, std::size_t bytes);
bool pinned(const void* p, std::size_t bytes);

// streams.cpp
void drain_all();
/// Held by every call of the runtime: several threads may use the simulated device, one at a time.
using RuntimeLock = std::lock_guard<std::recursive_mutex>;
std::recursive_mutex& runtime_mutex();

}  // namespace cudasim
