// Streams, events and graphs. Work waits in its stream until somebody waits for it: whoever forgets to wait reads what
// was there before.
#include <cstdio>
#include <cstring>
#include <deque>
#include <memory>
#include <vector>

#include "internal.h"

struct CUstream_st {
  std::deque<cudasim::Operation> waiting;
  std::uint64_t enqueued = 0, done = 0;
};
struct CUevent_st {
  std::shared_ptr<CUstream_st> stream;
  std::uint64_t ticket = 0;  // reached when the stream has done so much
};
struct CUgraph_st {
  std::vector<cudasim::Operation> operations;
};
struct CUgraphExec_st {
  std::vector<cudasim::Operation> operations;
};

namespace cudasim {
namespace {

// cudaStream_t is a plain pointer, events may outlive their stream: hence shared ownership on this side.
std::vector<std::shared_ptr<CUstream_st>>& all_streams() {
  static std::vector<std::shared_ptr<CUstream_st>> streams{std::make_shared<CUstream_st>()};
  return streams;
}
std::shared_ptr<CUstream_st> find(cudaStream_t stream) {
  if (stream == nullptr) return all_streams().front();
  for (const auto& known : all_streams()) {
    if (known.get() == stream) return known;
  }
  return nullptr;
}

std::unique_ptr<CUgraph_st> capture;
cudaError_t sticky = cudaSuccess, last = cudaSuccess;

void run_until(CUstream_st& stream, std::uint64_t ticket) {
  while (stream.done < ticket) {
    const Operation operation = std::move(stream.waiting.front());
    stream.waiting.pop_front();
    ++stream.done;
    const cudaError_t error = sticky != cudaSuccess ? sticky : operation();
    if (error != cudaSuccess) sticky = error;
  }
}

cudaError_t copy_now(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  if (kind != cudaMemcpyDefault && (to_device != on_device(to, bytes) || from_device != on_device(from, bytes))) {
    std::fprintf(stderr, "cudasim: copy of %zu bytes: wrong direction, or past the end of an allocation\n", bytes);
    return remember(cudaErrorInvalidValue);
  }
  show_device_memory(true);
  std::memcpy(to, from, bytes);
  show_device_memory(false);
  return cudaSuccess;
}
cudaError_t set_now(void* p, int value, std::size_t bytes) {
  if (!on_device(p, bytes)) return remember(cudaErrorInvalidValue);
  show_device_memory(true);
  std::memset(p, value, bytes);
  show_device_memory(false);
  return cudaSuccess;
}

}  // namespace

std::recursive_mutex& runtime_mutex() {
  static std::recursive_mutex mutex;
  return mutex;
}

cudaError_t remember(cudaError_t error) {
  const cudasim::RuntimeLock lock(cudasim::runtime_mutex());
  if (error != cudaSuccess) last = error;
  if (error == cudaErrorLaunchFailure) sticky = error;
  return error;
}

cudaError_t enqueue(cudaStream_t stream, Operation operation) {
  const cudasim::RuntimeLock lock(cudasim::runtime_mutex());
  if (capture != nullptr) {
    capture->operations.push_back(std::move(operation));
    return cudaSuccess;
  }
  const auto known = find(stream);
  if (known == nullptr) return remember(cudaErrorInvalidValue);
  if (sticky != cudaSuccess) return sticky;
  known->waiting.push_back(std::move(operation));
  ++known->enqueued;
  return cudaSuccess;
}

void drain_all() {
  // Later streams first: nothing may rely on the order in which streams were made.
  const auto streams = all_streams();
  for (auto stream = streams.rbegin(); stream != streams.rend(); ++stream) run_until(**stream, (*stream)->enqueued);
}

void catch_up() {
  const RuntimeLock lock(runtime_mutex());
  drain_all();
}

}  // namespace cudasim

cudaError_t cudaGetLastError() {
  const cudasim::RuntimeLock lock(cudasim::runtime_mutex());
  const cudaError_t error = cudasim::last;
  cudasim::last = cudaSuccess;
  cudasim::sticky = cudaSuccess;  // a real sticky error stays; tests need a fresh start
  return error;
}
cudaError_t cudaPeekAtLastError() {
  const cudasim::RuntimeLock lock(cudasim::runtime_mutex());
  return cudasim::last;
}

cudaError_t cudaDeviceSynchronize() {
  const cudasim::RuntimeLock lock(cudasim::runtime_mutex());
  cudasim::drain_all();
  return cudasim::sticky;
}

cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  const cudasim::RuntimeLock lock(cudasim::runtime_mutex());
  if (const cudaError_t error = cudaStreamSynchronize(nullptr)) return error;
  return cudasim::copy_now(to, from, bytes, kind);
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  const cudasim::RuntimeLock lock(cudasim::runtime_mutex());
  if (bytes == 0) return cudaSuccess;
  if (kind == cudaMemcpyHostToDevice && !cudasim::pinned(from, bytes)) {
    // Pageable memory is staged before the call returns.
    const auto* begin = static_cast<const std::byte*>(from);
    return cudasim::enqueue(stream, [to, staged = std::vector<std::byte>(begin, begin + bytes), kind] {
      return cudasim::copy_now(to, staged.data(), staged.size(), kind);
    });
  }
  if (kind == cudaMemcpyDeviceToHost && !cudasim::pinned(to, bytes)) {
    if (cudasim::capture != nullptr) return cudasim::remember(cudaErrorStreamCaptureUnsupported);
    if (const cudaError_t error = cudaStreamSynchronize(stream)) return error;
    return cudasim::copy_now(to, from, bytes, kind);
  }
  return cudasim::enqueue(stream, [=] { return cudasim::copy_now(to, from, bytes, kind); });
}
cudaError_t cudaMemset(void* p, int value, std::size_t bytes) {
  const cudasim::RuntimeLock lock(cudasim::runtime_mutex());
  if (const cudaError_t error = cudaStreamSynchronize(nullptr)) return error;
  return cudasim::set_now(p, value, bytes);
}
cudaError_t cudaMemsetAsync(void* p, int value, std::size_t bytes, cudaStream_t stream) {
  const cudasim::RuntimeLock lock(cudasim::runtime_mutex());
  if (bytes == 0) return cudaSuccess;
  return cudasim::enqueue(stream, [=] { return cudasim::set_now(p, value, bytes); });
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  const cudasim::RuntimeLock lock(cudasim::runtime_mutex());
  cudasim::all_streams().push_back(std::make_shared<CUstream_st>());
  *stream = cudasim::all_streams().back().get();
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  const cudasim::RuntimeLock lock(cudasim::runtime_mutex());
  const auto known = cudasim::find(stream);
  if (stream == nullptr || known == nullptr) return cudasim::remember(cudaErrorInvalidValue);
  cudasim::run_until(*known, known->enqueued);
  std::erase(cudasim::all_streams(), known);
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  const cudasim::RuntimeLock lock(cudasim::runtime_mutex());
  const auto known = cudasim::find(stream);
  if (known == nullptr) return cudasim::remember(cudaErrorInvalidValue);
  if (cudasim::capture != nullptr) return cudasim::remember(cudaErrorStreamCaptureUnsupported);
  cudasim::run_until(*known, known->enqueued);
  return cudasim::sticky;
}
cudaError_t cudaStreamQuery(cudaStream_t stream) {
  const cudasim::RuntimeLock lock(cudasim::runtime_mutex());
  const auto known = cudasim::find(stream);
  if (known == nullptr) return cudasim::remember(cudaErrorInvalidValue);
  if (known->done == known->enqueued) return cudasim::sticky;
  cudasim::run_until(*known, known->done + 1);  // time passes
  return cudaErrorNotReady;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  const cudasim::RuntimeLock lock(cudasim::runtime_mutex());
  if (event->stream == nullptr) return cudaSuccess;  // never recorded
  return cudasim::enqueue(stream, [source = event->stream, ticket = event->ticket] {
    cudasim::run_until(*source, ticket);
    return cudaSuccess;
  });
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  const cudasim::RuntimeLock lock(cudasim::runtime_mutex());
  *event = new CUevent_st{};
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  const cudasim::RuntimeLock lock(cudasim::runtime_mutex());
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const cudasim::RuntimeLock lock(cudasim::runtime_mutex());
  event->stream = cudasim::find(stream);
  if (event->stream == nullptr) return cudasim::remember(cudaErrorInvalidValue);
  event->ticket = event->stream->enqueued;
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const cudasim::RuntimeLock lock(cudasim::runtime_mutex());
  if (event->stream != nullptr) cudasim::run_until(*event->stream, event->ticket);
  return cudasim::sticky;
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  const cudasim::RuntimeLock lock(cudasim::runtime_mutex());
  if (event->stream == nullptr || event->stream->done >= event->ticket) return cudasim::sticky;
  cudasim::run_until(*event->stream, event->stream->done + 1);  // time passes
  return cudaErrorNotReady;
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t, cudaEvent_t) {
  const cudasim::RuntimeLock lock(cudasim::runtime_mutex());
  *milliseconds = 0;
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t, cudaStreamCaptureMode) {
  const cudasim::RuntimeLock lock(cudasim::runtime_mutex());
  if (cudasim::capture != nullptr) return cudasim::remember(cudaErrorStreamCaptureUnsupported);
  cudasim::capture = std::make_unique<CUgraph_st>();
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t* graph) {
  const cudasim::RuntimeLock lock(cudasim::runtime_mutex());
  if (cudasim::capture == nullptr) return cudasim::remember(cudaErrorInvalidValue);
  *graph = cudasim::capture.release();
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long) {
  const cudasim::RuntimeLock lock(cudasim::runtime_mutex());
  *exec = new CUgraphExec_st{graph->operations};
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  const cudasim::RuntimeLock lock(cudasim::runtime_mutex());
  for (const auto& operation : exec->operations) {
    if (const cudaError_t error = cudasim::enqueue(stream, operation)) return error;
  }
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  const cudasim::RuntimeLock lock(cudasim::runtime_mutex());
  delete graph;
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  const cudasim::RuntimeLock lock(cudasim::runtime_mutex());
  delete exec;
  return cudaSuccess;
}
