// Streams, events and graphs that destroy themselves.
#pragma once

#include <utility>

#include "kernels/cuda_check.cuh"

namespace kvwave::kernels {

/// Marks a place in a stream's work.
class Event {
 public:
  Event() { KVWAVE_CUDA_CHECK(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming)); }
  ~Event() {
    if (event_ != nullptr) cudaEventDestroy(event_);
  }
  Event(Event&& other) noexcept : event_(std::exchange(other.event_, nullptr)) {}
  Event& operator=(Event&& other) noexcept {
    std::swap(event_, other.event_);
    return *this;
  }

  void record(cudaStream_t stream) { KVWAVE_CUDA_CHECK(cudaEventRecord(event_, stream)); }
  /// Blocks the calling thread until what was recorded is done.
  void wait() const { KVWAVE_CUDA_CHECK(cudaEventSynchronize(event_)); }
  /// Whether what was recorded is done; does not block.
  bool done() const {
    const cudaError_t status = cudaEventQuery(event_);
    if (status == cudaErrorNotReady) return false;
    KVWAVE_CUDA_CHECK(status);
    return true;
  }
  /// The stream goes on only after what was recorded.
  void block(cudaStream_t stream) const { KVWAVE_CUDA_CHECK(cudaStreamWaitEvent(stream, event_, 0)); }

 private:
  cudaEvent_t event_ = nullptr;
};

/// A queue of device work that does not wait for the default stream.
class Stream {
 public:
  Stream() { KVWAVE_CUDA_CHECK(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking)); }
  ~Stream() {
    if (stream_ != nullptr) cudaStreamDestroy(stream_);
  }
  Stream(Stream&& other) noexcept : stream_(std::exchange(other.stream_, nullptr)) {}
  Stream& operator=(Stream&& other) noexcept {
    std::swap(stream_, other.stream_);
    return *this;
  }

  cudaStream_t get() const { return stream_; }
  void wait() const { KVWAVE_CUDA_CHECK(cudaStreamSynchronize(stream_)); }

 private:
  cudaStream_t stream_ = nullptr;
};

/// Work recorded once and launched many times. Empty until captured.
class Graph {
 public:
  Graph() = default;
  ~Graph() {
    if (exec_ != nullptr) cudaGraphExecDestroy(exec_);
  }
  Graph(Graph&& other) noexcept : exec_(std::exchange(other.exec_, nullptr)) {}
  Graph& operator=(Graph&& other) noexcept {
    std::swap(exec_, other.exec_);
    return *this;
  }

  /// Records what `work` enqueues on the stream, without running it.
  template <class Work>
  static Graph capture(cudaStream_t stream, Work&& work) {
    KVWAVE_CUDA_CHECK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    cudaGraph_t graph = nullptr;
    try {
      work();
    } catch (...) {
      if (cudaStreamEndCapture(stream, &graph) == cudaSuccess) cudaGraphDestroy(graph);
      throw;
    }
    KVWAVE_CUDA_CHECK(cudaStreamEndCapture(stream, &graph));
    Graph captured;
    const cudaError_t status = cudaGraphInstantiate(&captured.exec_, graph, 0);
    cudaGraphDestroy(graph);
    KVWAVE_CUDA_CHECK(status);
    return captured;
  }

  explicit operator bool() const { return exec_ != nullptr; }
  void launch(cudaStream_t stream) const { KVWAVE_CUDA_CHECK(cudaGraphLaunch(exec_, stream)); }

 private:
  cudaGraphExec_t exec_ = nullptr;
};

}  // namespace kvwave::kernels
