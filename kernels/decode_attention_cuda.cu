#include <cmath>
#include <cuda_fp16.h>
#include <string>

#include "kernels/cuda_reduce.cuh"
#include "kernels/decode_attention_cuda.cuh"
#include "kernels/error.h"

namespace kvwave::kernels {
namespace {

constexpr unsigned kThreads = 256;
constexpr unsigned kBlockWarps = kThreads / kWarp;
constexpr unsigned kKeyLanes = 8;  // threads that share a key
constexpr unsigned kMaxGroup = 8;  // q_heads of a kv_head that one block serves

/// 16 bytes of the cache as floats.
template <class T>
struct Vector;
template <>
struct Vector<__half> {
  static constexpr unsigned kValues = 8;
  __device__ static void load(const __half* p, float (&out)[kValues]) {
    const uint4 raw = __ldg(reinterpret_cast<const uint4*>(p));
    const unsigned words[4] = {raw.x, raw.y, raw.z, raw.w};
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      out[i] = __half2float(__ushort_as_half(static_cast<unsigned short>(words[i / 2] >> (16 * (i % 2)))));
    }
  }
};
template <>
struct Vector<float> {
  static constexpr unsigned kValues = 4;
  __device__ static void load(const float* p, float (&out)[kValues]) {
    const float4 raw = __ldg(reinterpret_cast<const float4*>(p));
    out[0] = raw.x;
    out[1] = raw.y;
    out[2] = raw.z;
    out[3] = raw.w;
  }
};

/// Shared memory of a block: queries, exponentials, and partial values of one head at a time.
struct SharedLayout {
  unsigned exponentials, partial, total;  // offsets in floats
};
__host__ __device__ constexpr SharedLayout shared_layout(unsigned group, unsigned head_dim) {
  const unsigned exponentials = group * head_dim;
  const unsigned partial = exponentials + group * kChunkKeys;
  return {exponentials, partial, partial + kThreads * 8};
}

/// Logits of the chunk's keys for kGroup queries, 8 lanes a key; -inf beyond the last key.
template <class T, unsigned kGroup>
__device__ void chunk_logits(const T* keys, unsigned n_keys, unsigned d, float scale, const float* q, float* logits) {
  constexpr unsigned kValues = Vector<T>::kValues;
  const unsigned lane = threadIdx.x % kKeyLanes;
  for (unsigned key = threadIdx.x / kKeyLanes; key < kChunkKeys; key += kThreads / kKeyLanes) {
    float sums[kGroup] = {};
    if (key < n_keys) {
      for (unsigned column = lane * kValues; column < d; column += kKeyLanes * kValues) {
        float k[kValues];
        Vector<T>::load(keys + std::size_t{key} * d + column, k);
#pragma unroll
        for (unsigned h = 0; h < kGroup; ++h) {
#pragma unroll
          for (unsigned i = 0; i < kValues; ++i) sums[h] += q[h * d + column + i] * k[i];
        }
      }
    }
#pragma unroll
    for (unsigned h = 0; h < kGroup; ++h) {
      const float logit = warp_reduce(sums[h], Sum{}, kKeyLanes) * scale;
      if (lane == 0) logits[h * kChunkKeys + key] = key < n_keys ? logit : -INFINITY;
    }
  }
}

/// Turns each head's logits into exponentials relative to the chunk's maximum; one warp a head. Keeps them in shared
/// memory for the values and writes them to the row.
template <unsigned kGroup>
__device__ void chunk_exponentials(float* logits, unsigned n_keys, float* row, std::size_t row_stride,
                                   float2* chunk_stats, unsigned max_chunks) {
  const unsigned lane = threadIdx.x % kWarp;
  for (unsigned h = threadIdx.x / kWarp; h < kGroup; h += kBlockWarps) {
    float largest = -INFINITY;
    for (unsigned i = lane; i < kChunkKeys; i += kWarp) largest = fmaxf(largest, logits[h * kChunkKeys + i]);
    largest = warp_reduce(largest, Max{});
    float sum = 0;
    for (unsigned i = lane; i < kChunkKeys; i += kWarp) {
      const float logit = logits[h * kChunkKeys + i];
      // A key at -inf has no weight, even where all of the chunk's keys are.
      const float e = logit == -INFINITY ? 0.0F : expf(logit - largest);
      sum += e;
      logits[h * kChunkKeys + i] = e;
      if (i < n_keys) row[h * row_stride + i] = e;
    }
    sum = warp_reduce(sum, Sum{});
    if (lane == 0) chunk_stats[std::size_t{h} * max_chunks] = make_float2(largest, sum);
  }
}

/// out[h][c] = sum over the chunk's keys of exponential * value: each thread takes 16 bytes of columns and every
/// n_parts-th key; parts are then added in order.
template <class T, unsigned kGroup>
__device__ void chunk_values(const T* values, unsigned n_keys, unsigned d, const float* exponentials, float* partial,
                             float* out, std::size_t out_stride) {
  constexpr unsigned kValues = Vector<T>::kValues;
  const unsigned vectors = d / kValues;
  const unsigned n_parts = kThreads / vectors;
  const unsigned part = threadIdx.x / vectors;
  const unsigned column = threadIdx.x % vectors * kValues;
  float sums[kGroup][kValues] = {};
  if (part < n_parts) {
    for (unsigned key = part; key < n_keys; key += n_parts) {
      float v[kValues];
      Vector<T>::load(values + std::size_t{key} * d + column, v);
#pragma unroll
      for (unsigned h = 0; h < kGroup; ++h) {
#pragma unroll
        for (unsigned i = 0; i < kValues; ++i) sums[h][i] += exponentials[h * kChunkKeys + key] * v[i];
      }
    }
  }
#pragma unroll
  for (unsigned h = 0; h < kGroup; ++h) {
    __syncthreads();
    if (part < n_parts) {
#pragma unroll
      for (unsigned i = 0; i < kValues; ++i) partial[part * d + column + i] = sums[h][i];
    }
    __syncthreads();
    for (unsigned c = threadIdx.x; c < d; c += kThreads) {
      float sum = 0;
      for (unsigned i = 0; i < n_parts; ++i) sum += partial[i * d + c];
      out[h * out_stride + c] = sum;
    }
  }
}

/// Grid: (chunks, kv_heads * parts of a group, positions).
template <class T, unsigned kGroup>
__global__ void __launch_bounds__(kThreads)
    chunk_kernel(AttentionTask task, const StepInput* input, unsigned group_parts, float scale) {
  const unsigned chunk = blockIdx.x;
  const unsigned p = blockIdx.z;
  const unsigned n_positions = input->first + p + 1;
  if (chunk * kChunkKeys >= n_positions) return;
  const unsigned n_keys = min(kChunkKeys, n_positions - chunk * kChunkKeys);
  const unsigned kv_head = blockIdx.y / group_parts;
  const unsigned q_head = blockIdx.y * kGroup;
  const unsigned d = task.head_dim;
  const SharedLayout layout = shared_layout(kGroup, d);
  auto* q = dynamic_shared<float>();
  float* exponentials = q + layout.exponentials;

  const float* from = task.q + std::size_t{p} * task.stride + std::size_t{q_head} * d;
  for (unsigned i = threadIdx.x; i < kGroup * d; i += kThreads) q[i] = from[i];
  __syncthreads();

  const std::size_t cache_at = (std::size_t{kv_head} * task.max_positions + chunk * kChunkKeys) * d;
  chunk_logits<T, kGroup>(static_cast<const T*>(task.k_cache) + cache_at, n_keys, d, scale, q, exponentials);
  __syncthreads();
  const std::size_t head = std::size_t{p} * task.n_q_heads + q_head;
  chunk_exponentials<kGroup>(exponentials, n_keys, task.rows + head * task.row_stride + chunk * kChunkKeys,
                             task.row_stride, task.chunk_stats + head * task.max_chunks + chunk, task.max_chunks);
  __syncthreads();
  chunk_values<T, kGroup>(static_cast<const T*>(task.v_cache) + cache_at, n_keys, d, exponentials, q + layout.partial,
                          task.chunk_out + (head * task.max_chunks + chunk) * d, std::size_t{task.max_chunks} * d);
}

/// Brings a chunk of a row to the row's scale; the block of chunk 0 also joins the chunks' outputs.
/// Grid: (chunks, q_heads, positions).
__global__ void __launch_bounds__(kChunkKeys) join_kernel(AttentionTask task, const StepInput* input) {
  const unsigned chunk = blockIdx.x;
  const unsigned p = blockIdx.z;
  const unsigned n_positions = input->first + p + 1;
  if (chunk * kChunkKeys >= n_positions) return;
  const unsigned n_chunks = chunks_of(n_positions);
  const std::size_t head = std::size_t{p} * task.n_q_heads + blockIdx.y;
  const float2* stats = task.chunk_stats + head * task.max_chunks;
  float largest = -INFINITY;
  for (unsigned i = threadIdx.x; i < n_chunks; i += blockDim.x) largest = fmaxf(largest, stats[i].x);
  largest = block_reduce(largest, Max{}, -INFINITY);
  float sum = 0;
  for (unsigned i = threadIdx.x; i < n_chunks; i += blockDim.x) sum += stats[i].y * expf(stats[i].x - largest);
  sum = block_reduce(sum, Sum{}, 0.0F);

  const unsigned i = chunk * kChunkKeys + threadIdx.x;
  if (i < n_positions) task.rows[head * task.row_stride + i] *= expf(stats[chunk].x - largest) / sum;
  if (chunk != 0) return;
  for (unsigned c = threadIdx.x; c < task.head_dim; c += blockDim.x) {
    float joined = 0;
    for (unsigned k = 0; k < n_chunks; ++k) {
      joined += task.chunk_out[(head * task.max_chunks + k) * task.head_dim + c] * expf(stats[k].x - largest);
    }
    task.out[std::size_t{p} * task.stride + std::size_t{blockIdx.y} * task.head_dim + c] = joined / sum;
  }
}

template <class T, unsigned kGroup>
void launch_chunks(const AttentionTask& task, const StepInput* input, unsigned n_positions, unsigned grid_chunks,
                   cudaStream_t stream) {
  const unsigned group_parts = task.n_q_heads / task.n_kv_heads / kGroup;
  const float scale = 1.0F / sqrtf(static_cast<float>(task.head_dim));
  const std::size_t shared = shared_layout(kGroup, task.head_dim).total * sizeof(float);
  launch(chunk_kernel<T, kGroup>, {dim3(grid_chunks, task.n_kv_heads * group_parts, n_positions), kThreads, shared},
         stream, task, input, group_parts, scale);
}

template <class T>
void launch_group(const AttentionTask& task, const StepInput* input, unsigned n_positions, unsigned grid_chunks,
                  cudaStream_t stream) {
  // The largest divisor of the group that one block can serve.
  const unsigned group = task.n_q_heads / task.n_kv_heads;
  unsigned served = min(group, kMaxGroup);
  while (group % served != 0) --served;
  switch (served) {
    case 1:
      return launch_chunks<T, 1>(task, input, n_positions, grid_chunks, stream);
    case 2:
      return launch_chunks<T, 2>(task, input, n_positions, grid_chunks, stream);
    case 3:
      return launch_chunks<T, 3>(task, input, n_positions, grid_chunks, stream);
    case 4:
      return launch_chunks<T, 4>(task, input, n_positions, grid_chunks, stream);
    case 5:
      return launch_chunks<T, 5>(task, input, n_positions, grid_chunks, stream);
    case 6:
      return launch_chunks<T, 6>(task, input, n_positions, grid_chunks, stream);
    case 7:
      return launch_chunks<T, 7>(task, input, n_positions, grid_chunks, stream);
    default:
      return launch_chunks<T, 8>(task, input, n_positions, grid_chunks, stream);
  }
}

}  // namespace

void decode_attention_cuda(const AttentionTask& task, const StepInput* input, unsigned n_positions,
                           unsigned grid_chunks, cudaStream_t stream) {
  if (task.head_dim % 8 != 0 || task.head_dim == 0 || task.head_dim > kMaxHeadDim) {
    throw Error("attention on the device needs a head_dim that is a multiple of 8 and at most 256, not " +
                std::to_string(task.head_dim));
  }
  if (task.type == KvType::f16) {
    launch_group<__half>(task, input, n_positions, grid_chunks, stream);
  } else {
    launch_group<float>(task, input, n_positions, grid_chunks, stream);
  }
  launch(join_kernel, {dim3(grid_chunks, task.n_q_heads, n_positions), kChunkKeys}, stream, task, input);
}

}  // namespace kvwave::kernels
