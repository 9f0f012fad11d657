// A fixed set of worker threads for many short parallel loops (several hundred per decoded token): workers spin briefly
// before they sleep. The calling thread is worker 0, so ThreadPool(1) starts no thread.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace kvwave::kernels {

class ThreadPool {
 public:
  using Task = std::function<void(std::size_t index, unsigned worker)>;

  /// n_threads 0 = as many as the process may run on. Throws Error above 1024.
  explicit ThreadPool(unsigned n_threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  unsigned size() const;

  /// Calls task(index, worker) for every index in [0, n_tasks), worker in [0, size()); returns when all are done.
  /// Which worker runs which index is not fixed: results must not depend on it. The first exception is rethrown.
  /// Not reentrant: a task must not call back into the same pool.
  void parallel_for(std::size_t n_tasks, const Task& task);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kvwave::kernels
