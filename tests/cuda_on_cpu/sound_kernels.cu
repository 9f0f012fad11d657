#include <cfloat>

#include "kernels/cuda_launch.cuh"
#include "kernels/cuda_memory.cuh"
#include "kernels/cuda_reduce.cuh"
#include "kernels/cuda_stream.cuh"
#include "tests/cuda_on_cpu/sound_kernels.h"

namespace kvwave::testing {

using namespace kernels;

namespace {

constexpr MemoryUse kUse{"the test", "run less"};

template <class T>
DeviceBuffer<T> on_device(std::span<const T> values) {
  DeviceBuffer<T> buffer(values.size(), kUse);
  buffer.upload(values, nullptr);
  return buffer;
}
template <class T>
DeviceBuffer<T> zeros(std::size_t size) {
  DeviceBuffer<T> buffer(size, kUse);
  buffer.fill_bytes(0, nullptr);
  return buffer;
}
template <class T>
std::vector<T> from_device(const DeviceBuffer<T>& buffer) {
  std::vector<T> values(buffer.size());
  buffer.download(std::span<T>(values), nullptr);
  KVWAVE_CUDA_CHECK(cudaStreamSynchronize(nullptr));
  return values;
}

__global__ void softmax_kernel(const float* x, float* out, unsigned cols) {
  const float* row = x + std::size_t{blockIdx.x} * cols;
  float largest = -FLT_MAX;
  for (unsigned i = threadIdx.x; i < cols; i += blockDim.x) largest = fmaxf(largest, __ldg(row + i));
  largest = block_reduce(largest, Max{}, -FLT_MAX);
  float sum = 0;
  for (unsigned i = threadIdx.x; i < cols; i += blockDim.x) sum += __expf(row[i] - largest);
  sum = block_reduce(sum, Sum{}, 0.0F);
  for (unsigned i = threadIdx.x; i < cols; i += blockDim.x) {
    out[std::size_t{blockIdx.x} * cols + i] = __expf(row[i] - largest) / sum;
  }
}

constexpr unsigned kSorted = 1024;

// Bitonic sort of (value, index) pairs.
__global__ void sort_kernel(const float* x, unsigned n, int* order, unsigned k) {
  __shared__ float value[kSorted];
  __shared__ int index[kSorted];
  for (unsigned i = threadIdx.x; i < kSorted; i += blockDim.x) {
    value[i] = i < n ? x[i] : -INFINITY;
    index[i] = static_cast<int>(i);
  }
  for (unsigned size = 2; size <= kSorted; size *= 2) {
    for (unsigned stride = size / 2; stride > 0; stride /= 2) {
      __syncthreads();
      for (unsigned i = threadIdx.x; i < kSorted / 2; i += blockDim.x) {
        const unsigned a = 2 * i - (i & (stride - 1));
        const unsigned b = a + stride;
        const bool less = value[a] < value[b] || (value[a] == value[b] && index[a] > index[b]);
        if (less != ((a & size) == 0)) continue;
        const float v = value[a];
        const int j = index[a];
        value[a] = value[b];
        index[a] = index[b];
        value[b] = v;
        index[b] = j;
      }
    }
  }
  __syncthreads();
  for (unsigned i = threadIdx.x; i < k; i += blockDim.x) order[i] = index[i];
}

__global__ void histogram_kernel(const std::uint8_t* x, unsigned n, unsigned* counts) {
  __shared__ unsigned local[256];
  for (unsigned i = threadIdx.x; i < 256; i += blockDim.x) local[i] = 0;
  __syncthreads();
  for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
    atomicAdd(&local[x[i]], 1U);
  }
  __syncthreads();
  for (unsigned i = threadIdx.x; i < 256; i += blockDim.x) {
    if (local[i] != 0) atomicAdd(&counts[i], local[i]);
  }
}

__global__ void count_kernel(const float* x, unsigned n, float threshold, unsigned* counts) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  const int above = i < n && x[i] > threshold ? 1 : 0;
  const unsigned lanes = __ballot_sync(kFullWarp, above);
  const int in_block = __syncthreads_count(above);
  const unsigned in_warp = __reduce_add_sync(kFullWarp, static_cast<unsigned>(above));
  if (threadIdx.x % kWarp == 0) {
    atomicAdd(&counts[0], static_cast<unsigned>(__popc(lanes)));
    atomicAdd(&counts[2], in_warp);
  }
  if (threadIdx.x == 0) atomicAdd(&counts[1], static_cast<unsigned>(in_block));
}

__global__ void lock_kernel(int* lock, int* sum) {
  if (threadIdx.x % kWarp != 0) return;
  while (atomicCAS(lock, 0, 1) != 0) __nanosleep(20);
  __threadfence();
  *sum += 1;
  __threadfence();
  atomicExch(lock, 0);
}

__global__ void add_kernel(float* x, unsigned n, float value) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) x[i] += value;
}
__global__ void double_kernel(float* x, unsigned n) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) x[i] *= 2;
}

}  // namespace

std::vector<float> softmax_rows(std::span<const float> x, unsigned rows, unsigned cols) {
  const auto in = on_device(x);
  DeviceBuffer<float> out(x.size(), kUse);
  launch(softmax_kernel, {rows, 256}, nullptr, in.data(), out.data(), cols);
  return from_device(out);
}

std::vector<int> top_k(std::span<const float> x, unsigned k) {
  const auto in = on_device(x);
  DeviceBuffer<int> order(k, kUse);
  launch(sort_kernel, {1, 256}, nullptr, in.data(), static_cast<unsigned>(x.size()), order.data(), k);
  return from_device(order);
}

std::vector<unsigned> histogram(std::span<const std::uint8_t> x) {
  const auto in = on_device(x);
  auto counts = zeros<unsigned>(256);
  launch(histogram_kernel, {8, 192}, nullptr, in.data(), static_cast<unsigned>(x.size()), counts.data());
  return from_device(counts);
}

std::vector<unsigned> count_above(std::span<const float> x, float threshold) {
  const auto in = on_device(x);
  auto counts = zeros<unsigned>(3);
  const auto n = static_cast<unsigned>(x.size());
  launch(count_kernel, {ceil_div(n, 128U), 128}, nullptr, in.data(), n, threshold, counts.data());
  return from_device(counts);
}

int locked_sum(unsigned n_warps) {
  auto words = zeros<int>(2);
  launch(lock_kernel, {2, n_warps / 2 * kWarp}, nullptr, words.data(), words.data() + 1);
  return from_device(words)[1];
}

std::vector<float> add_by_graph(std::span<const float> x, unsigned n) {
  auto data = on_device(x);
  KVWAVE_CUDA_CHECK(cudaDeviceSynchronize());
  const Stream stream;
  const auto size = static_cast<unsigned>(x.size());
  const Graph graph = Graph::capture(stream.get(), [&] {
    launch(add_kernel, {ceil_div(size, 64U), 64}, stream.get(), data.data(), size, 1.0F);
  });
  for (unsigned i = 0; i < n; ++i) graph.launch(stream.get());
  stream.wait();
  return from_device(data);
}

std::vector<float> double_across_streams(std::span<const float> x) {
  const Stream compute;
  const Stream copy;
  DeviceBuffer<float> data(x.size(), kUse);
  PinnedBuffer<float> in(x.size());
  PinnedBuffer<float> out(x.size());
  std::copy(x.begin(), x.end(), in.data());
  data.upload(in.span(), compute.get());
  const auto n = static_cast<unsigned>(x.size());
  launch(double_kernel, {ceil_div(n, 64U), 64}, compute.get(), data.data(), n);
  Event computed;
  computed.record(compute.get());
  computed.block(copy.get());
  data.download(out.span(), copy.get());
  Event copied;
  copied.record(copy.get());
  copied.wait();
  return {out.data(), out.data() + out.size()};
}

}  // namespace kvwave::testing
