#include "kernels/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <sched.h>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "kernels/error.h"

namespace kvwave::kernels {

namespace {

constexpr unsigned kMaxThreads = 1024;
constexpr std::uint32_t kStop = UINT32_MAX;

// Long enough to bridge the serial work between two loops of a decode step (a few microseconds), short enough to leave
// the core to the trace writer when the decoder does something else.
constexpr int kSpins = 1500;

unsigned usable_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) return static_cast<unsigned>(CPU_COUNT(&set));
  const unsigned count = std::thread::hardware_concurrency();
  return count > 0 ? count : 1;
}

inline void pause() {
  __builtin_ia32_pause();
}

}  // namespace

// One counter holds the tasks of the current loop that nobody has taken. Workers take tasks by decrementing it, so a
// worker that sleeps or was descheduled is never waited for: the caller runs what is left and waits only for tasks that
// somebody has really begun.
class ThreadPool::Impl {
 public:
  explicit Impl(unsigned n_threads) {
    threads_.reserve(n_threads - 1);
    try {
      for (unsigned worker = 1; worker < n_threads; ++worker) {
        threads_.emplace_back([this, worker] { serve(worker); });
      }
    } catch (const std::system_error& error) {
      const std::size_t started = threads_.size() + 1;
      stop();
      throw Error("threads: cannot start " + std::to_string(n_threads) + ", the system stopped at " +
                  std::to_string(started) + " (" + error.what() + ")");
    }
  }

  ~Impl() { stop(); }

  unsigned size() const { return static_cast<unsigned>(threads_.size()) + 1; }

  void run(std::size_t n_tasks, const Task& task) {
    task_ = &task;
    n_tasks_ = static_cast<std::uint32_t>(n_tasks);
    done_.store(0, std::memory_order_relaxed);
    untaken_.store(n_tasks_, std::memory_order_seq_cst);
    untaken_.notify_all();  // a system call only when somebody sleeps
    finish(take_tasks(0));
    wait_until_done();
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  }

 private:
  void stop() {
    untaken_.store(kStop, std::memory_order_release);
    untaken_.notify_all();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

  void serve(unsigned worker) {
    for (;;) {
      std::uint32_t untaken = untaken_.load(std::memory_order_acquire);
      for (int spin = 0; untaken == 0 && spin < kSpins; ++spin) {
        pause();
        untaken = untaken_.load(std::memory_order_acquire);
      }
      if (untaken == kStop) return;
      if (untaken == 0) {
        untaken_.wait(0);
        continue;
      }
      const std::uint32_t taken = take_tasks(worker);
      if (taken > 0) finish(taken);
    }
  }

  // Takes tasks until none is left; returns how many it ran. task_ and n_tasks_ are read only after a task was taken,
  // when the caller cannot yet have moved on to another loop.
  std::uint32_t take_tasks(unsigned worker) {
    std::uint32_t taken = 0;
    std::uint32_t untaken = untaken_.load(std::memory_order_acquire);
    while (untaken != 0 && untaken != kStop) {
      if (!untaken_.compare_exchange_weak(untaken, untaken - 1, std::memory_order_acq_rel)) continue;
      ++taken;
      try {
        (*task_)(n_tasks_ - untaken, worker);
      } catch (...) {
        const std::lock_guard lock(error_mutex_);
        if (!error_) error_ = std::current_exception();
      }
      untaken = untaken_.load(std::memory_order_acquire);
    }
    return taken;
  }

  void finish(std::uint32_t taken) {
    const std::uint32_t n_tasks = n_tasks_;
    if (done_.fetch_add(taken, std::memory_order_acq_rel) + taken == n_tasks) done_.notify_one();
  }

  void wait_until_done() {
    std::uint32_t done = done_.load(std::memory_order_acquire);
    for (int spin = 0; done != n_tasks_ && spin < kSpins; ++spin) {
      pause();
      done = done_.load(std::memory_order_acquire);
    }
    while (done != n_tasks_) {
      done_.wait(done);
      done = done_.load(std::memory_order_acquire);
    }
  }

  // Apart, because the caller polls one while workers change the other.
  alignas(64) std::atomic<std::uint32_t> untaken_{0};
  alignas(64) std::atomic<std::uint32_t> done_{0};
  alignas(64) const Task* task_ = nullptr;
  std::uint32_t n_tasks_ = 0;
  std::mutex error_mutex_;
  std::exception_ptr error_;
  std::vector<std::thread> threads_;
};

ThreadPool::ThreadPool(unsigned n_threads) {
  if (n_threads > kMaxThreads) {
    throw Error("threads: expected at most " + std::to_string(kMaxThreads) + ", got " + std::to_string(n_threads));
  }
  impl_ = std::make_unique<Impl>(n_threads > 0 ? n_threads : usable_cpus());
}

ThreadPool::~ThreadPool() = default;

unsigned ThreadPool::size() const {
  return impl_->size();
}

void ThreadPool::parallel_for(std::size_t n_tasks, const Task& task) {
  // The counter is 32 bits wide: longer loops go in parts.
  constexpr std::size_t kPart = kStop - 1;
  if (n_tasks <= 1 || impl_->size() == 1) {
    for (std::size_t index = 0; index < n_tasks; ++index) task(index, 0);
    return;
  }
  if (n_tasks <= kPart) {
    impl_->run(n_tasks, task);
    return;
  }
  for (std::size_t first = 0; first < n_tasks; first += kPart) {
    const std::size_t count = std::min(kPart, n_tasks - first);
    impl_->run(count, [&](std::size_t index, unsigned worker) { task(first + index, worker); });
  }
}

}  // namespace kvwave::kernels
