// One background thread with named slots: a newer job of a slot replaces the one that waits and cancels the one that
// runs, so that scrubbing never piles up work.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace kvwave::viewer {

/// Tells a long job that nobody waits for its result any more.
class Cancel {
 public:
  bool asked() const { return flag_->load(std::memory_order_relaxed); }
  void ask() const { flag_->store(true, std::memory_order_relaxed); }

 private:
  std::shared_ptr<std::atomic<bool>> flag_ = std::make_shared<std::atomic<bool>>(false);
};

class Worker {
 public:
  using Job = std::function<void(const Cancel&)>;

  Worker();
  ~Worker();  ///< cancels what runs, drops what waits, joins
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// Queues `job`; jobs catch their own errors. Slots run in the order in which they were first asked for.
  void submit(const std::string& slot, Job job);
  bool idle() const;
  void wait_idle() const;

 private:
  struct Entry {
    std::string slot;
    Job job;
    Cancel cancel;
  };
  void run();

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::deque<Entry> waiting_;
  std::string running_slot_;
  Cancel running_cancel_;
  bool running_ = false, stop_ = false;
  std::thread thread_;  // last: starts when everything else is there
};

}  // namespace kvwave::viewer
