#include "viewer/model/worker.h"

#include <atomic>
#include <future>
#include <vector>

#include <gtest/gtest.h>

namespace kvwave::viewer {
namespace {

TEST(Worker, a_newer_job_replaces_the_one_that_waits) {
  Worker worker;
  std::promise<void> gate;
  std::atomic<int> last{0}, ran{0};
  worker.submit("busy", [future = gate.get_future().share()](const Cancel&) { future.wait(); });
  for (int i = 1; i <= 100; ++i) {
    worker.submit("slot", [&, i](const Cancel&) {
      last = i;
      ++ran;
    });
  }
  gate.set_value();
  worker.wait_idle();
  EXPECT_EQ(last, 100);
  EXPECT_EQ(ran, 1);
  EXPECT_TRUE(worker.idle());
}

TEST(Worker, a_newer_job_cancels_the_one_that_runs) {
  Worker worker;
  std::promise<void> started;
  std::atomic<bool> cancelled{false};
  worker.submit("slot", [&](const Cancel& cancel) {
    started.set_value();
    while (!cancel.asked()) std::this_thread::yield();
    cancelled = true;
  });
  started.get_future().wait();
  worker.submit("slot", [](const Cancel&) {});
  worker.wait_idle();
  EXPECT_TRUE(cancelled);
}

TEST(Worker, ends_with_jobs_running_and_waiting) {
  std::atomic<int> ran{0};
  std::promise<void> started;
  {
    Worker worker;
    worker.submit("long", [&](const Cancel& cancel) {
      started.set_value();
      while (!cancel.asked()) std::this_thread::yield();
    });
    worker.submit("never", [&](const Cancel&) { ++ran; });
    started.get_future().wait();
  }
  EXPECT_EQ(ran, 0);
}

}  // namespace
}  // namespace kvwave::viewer
