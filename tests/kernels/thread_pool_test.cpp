#include "kernels/thread_pool.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <numeric>
#include <stdexcept>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/error.h"

namespace kvwave::kernels {
namespace {

TEST(ThreadPool, runs_every_index_once) {
  for (const unsigned n_threads : {1u, 2u, 4u}) {
    ThreadPool pool(n_threads);
    EXPECT_EQ(pool.size(), n_threads);
    for (const std::size_t n_tasks : {0u, 1u, 2u, 7u, 1000u}) {
      std::vector<std::atomic<int>> calls(n_tasks);
      pool.parallel_for(n_tasks, [&](std::size_t index, unsigned worker) {
        EXPECT_LT(worker, n_threads);
        ++calls[index];
      });
      for (std::size_t i = 0; i < n_tasks; ++i) EXPECT_EQ(calls[i].load(), 1) << "index " << i << " of " << n_tasks;
    }
  }
}

TEST(ThreadPool, results_of_a_loop_are_visible_after_it) {
  ThreadPool pool(4);
  std::vector<std::uint64_t> values(64);
  for (std::uint64_t round = 1; round <= 3000; ++round) {
    pool.parallel_for(values.size(), [&](std::size_t index, unsigned) { values[index] += index + round; });
  }
  const std::uint64_t rounds = 3000 * 3001 / 2;
  for (std::uint64_t i = 0; i < values.size(); ++i) EXPECT_EQ(values[i], 3000 * i + rounds);
}

TEST(ThreadPool, wakes_workers_that_went_to_sleep) {
  ThreadPool pool(3);
  for (int round = 0; round < 5; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    std::atomic<int> calls = 0;
    pool.parallel_for(100, [&](std::size_t, unsigned) { ++calls; });
    EXPECT_EQ(calls.load(), 100);
  }
}

TEST(ThreadPool, rethrows_the_first_exception_and_stays_usable) {
  for (const unsigned n_threads : {1u, 3u}) {
    ThreadPool pool(n_threads);
    EXPECT_THROW(pool.parallel_for(50,
                                   [](std::size_t index, unsigned) {
                                     if (index == 20) throw std::runtime_error("task 20");
                                   }),
                 std::runtime_error);
    std::atomic<int> calls = 0;
    pool.parallel_for(50, [&](std::size_t, unsigned) { ++calls; });
    EXPECT_EQ(calls.load(), 50);
  }
}

TEST(ThreadPool, takes_as_many_threads_as_the_process_may_use_when_told_zero) {
  EXPECT_GE(ThreadPool(0).size(), 1u);
}

TEST(ThreadPool, refuses_absurd_thread_counts) {
  try {
    ThreadPool pool(5000);
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "threads: expected at most 1024, got 5000");
  }
}

}  // namespace
}  // namespace kvwave::kernels
