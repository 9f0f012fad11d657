#include "viewer/model/worker.h"

#include <algorithm>
#include <utility>

namespace kvwave::viewer {

Worker::Worker() : thread_([this] { run(); }) {}

Worker::~Worker() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    waiting_.clear();
    running_cancel_.ask();
  }
  changed_.notify_all();
  thread_.join();
}

void Worker::submit(const std::string& slot, Job job) {
  {
    const std::lock_guard lock(mutex_);
    if (running_ && running_slot_ == slot) running_cancel_.ask();
    const auto same = std::find_if(waiting_.begin(), waiting_.end(), [&](const Entry& e) { return e.slot == slot; });
    if (same != waiting_.end()) {
      same->job = std::move(job);
    } else {
      waiting_.push_back({slot, std::move(job), Cancel()});
    }
  }
  changed_.notify_all();
}

bool Worker::idle() const {
  const std::lock_guard lock(mutex_);
  return waiting_.empty() && !running_;
}

void Worker::wait_idle() const {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return waiting_.empty() && !running_; });
}

void Worker::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stop_ || !waiting_.empty(); });
    if (stop_) return;
    Entry entry = std::move(waiting_.front());
    waiting_.pop_front();
    running_ = true;
    running_slot_ = entry.slot;
    running_cancel_ = entry.cancel;
    lock.unlock();
    entry.job(entry.cancel);
    entry.job = nullptr;
    lock.lock();
    running_ = false;
    changed_.notify_all();
  }
}

}  // namespace kvwave::viewer
