#include <cmath>

#include "kernels/cache_vector.cuh"
#include "kernels/chunk_join.cuh"
#include "kernels/cuda_reduce.cuh"
#include "kernels/decode_attention_cuda.cuh"
#include "kernels/head_rotation.cuh"

namespace kvwave::kernels {
namespace {

constexpr unsigned kThreads = 256;
constexpr unsigned kBlockWarps = kThreads / kWarp;
constexpr unsigned kKeyLanes = 8;  // threads that share a key
constexpr unsigned kMaxGroup = 8;  // q_heads of a kv_head that one block serves
constexpr unsigned kNoKey = 0xffffffffU;

/// Shared memory of a block: queries, the step's own key and value, exponentials, and partial values of one head at a
/// time. Offsets in floats.
struct SharedLayout {
  unsigned new_key, new_value, exponentials, partial, total;
};
__host__ __device__ constexpr SharedLayout shared_layout(unsigned group, unsigned head_dim) {
  const unsigned new_key = group * head_dim;
  const unsigned exponentials = new_key + 2 * head_dim;
  const unsigned partial = exponentials + group * kChunkKeys;
  return {new_key, new_key + head_dim, exponentials, partial, partial + kThreads * 8};
}

/// 16 bytes of the cache, or of the step's own key or value: its cache line is being written, so it comes from shared
/// memory.
template <class T>
__device__ __forceinline__ void load_vector(const T* cache, const float* own, bool is_own,
                                            float (&out)[CacheVector<T>::kValues]) {
  if (!is_own) return CacheVector<T>::load(cache, out);
#pragma unroll
  for (unsigned i = 0; i < CacheVector<T>::kValues; ++i) out[i] = own[i];
}

/// Rotates the block's queries into shared memory; the block with the last chunk also the step's key and value, which
/// it stores. A warp a head.
template <class T, unsigned kGroup>
__device__ void prepare_heads(const QkvTask& task, const StepInput* input, unsigned q_head, unsigned kv_head,
                              bool has_own, bool stores, float* shared) {
  const unsigned d = task.head_dim;
  const unsigned warp = threadIdx.x / kWarp;
  const SharedLayout layout = shared_layout(kGroup, d);
  if (warp < kGroup) {
    T* record = has_own ? record_of<T>(task, input, HeadKind::q, q_head + warp, 0) : nullptr;
    rotate_head<T>(task, input, HeadKind::q, q_head + warp, 0, [&](unsigned i, T value) {
      shared[warp * d + i] = as_float(value);
      if (record != nullptr) record[i] = value;
    });
  }
  if (!has_own) return;
  for (const HeadKind kind : {HeadKind::k, HeadKind::v}) {
    const bool is_key = kind == HeadKind::k;
    if (warp != (kGroup + (is_key ? 0 : 1)) % kBlockWarps) continue;
    float* own = shared + (is_key ? layout.new_key : layout.new_value);
    T* cache = cached_head<T>(task, input, kind, kv_head, 0);
    T* record = record_of<T>(task, input, kind, kv_head, 0);
    rotate_head<T>(task, input, kind, kv_head, 0, [&](unsigned i, T value) {
      own[i] = as_float(value);
      if (!stores) return;
      cache[i] = value;
      if (record != nullptr) record[i] = value;
    });
  }
}

/// Logits of the chunk's keys for kGroup queries, 8 lanes a key; -inf beyond the last key.
template <class T, unsigned kGroup>
__device__ void chunk_logits(const T* keys, unsigned n_keys, unsigned own_key, unsigned d, float scale,
                             const float* shared, float* logits) {
  constexpr unsigned kValues = CacheVector<T>::kValues;
  const float* own = shared + shared_layout(kGroup, d).new_key;
  const unsigned lane = threadIdx.x % kKeyLanes;
  for (unsigned key = threadIdx.x / kKeyLanes; key < kChunkKeys; key += kThreads / kKeyLanes) {
    float sums[kGroup] = {};
    if (key < n_keys) {
      for (unsigned column = lane * kValues; column < d; column += kKeyLanes * kValues) {
        float k[kValues];
        load_vector(keys + std::size_t{key} * d + column, own + column, key == own_key, k);
#pragma unroll
        for (unsigned h = 0; h < kGroup; ++h) {
#pragma unroll
          for (unsigned i = 0; i < kValues; ++i) sums[h] += shared[h * d + column + i] * k[i];
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
/// memory for the values and writes them to the row (null = not wanted).
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
      if (row != nullptr && i < n_keys) row[h * row_stride + i] = e;
    }
    sum = warp_reduce(sum, Sum{});
    if (lane == 0) chunk_stats[std::size_t{h} * max_chunks] = make_float2(largest, sum);
  }
}

/// out[h][c] = sum over the chunk's keys of exponential * value: each thread takes 16 bytes of columns and every
/// n_parts-th key; parts are then added in order.
template <class T, unsigned kGroup>
__device__ void chunk_values(const T* values, unsigned n_keys, unsigned own_key, unsigned d, const float* own,
                             const float* exponentials, float* partial, float* out, std::size_t out_stride) {
  constexpr unsigned kValues = CacheVector<T>::kValues;
  const unsigned vectors = d / kValues;
  const unsigned n_parts = kThreads / vectors;
  const unsigned part = threadIdx.x / vectors;
  const unsigned column = threadIdx.x % vectors * kValues;
  float sums[kGroup][kValues] = {};
  if (part < n_parts) {
    for (unsigned key = part; key < n_keys; key += n_parts) {
      float v[kValues];
      load_vector(values + std::size_t{key} * d + column, own + column, key == own_key, v);
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

/// Grid: (chunks, kv_heads * parts of a group).
template <class T, unsigned kGroup>
__global__ void __launch_bounds__(kThreads)
    decode_attention_kernel(const __grid_constant__ AttentionTask task, const StepInput* input, unsigned group_parts,
                            float scale) {
  const QkvTask& qkv = task.qkv;
  const unsigned chunk = blockIdx.x;
  const unsigned n_positions = input->first + 1;
  const unsigned n_chunks = chunks_of(n_positions);
  if (chunk >= n_chunks) return;
  const unsigned n_keys = min(kChunkKeys, n_positions - chunk * kChunkKeys);
  const bool has_own = chunk == n_chunks - 1;
  const unsigned own_key = has_own ? n_keys - 1 : kNoKey;
  const unsigned kv_head = blockIdx.y / group_parts;
  const unsigned q_head = blockIdx.y * kGroup;
  const unsigned d = qkv.head_dim;
  const unsigned set = input->slot % kRowSets;
  const SharedLayout layout = shared_layout(kGroup, d);
  auto* shared = dynamic_shared<float>();
  float* exponentials = shared + layout.exponentials;

  prepare_heads<T, kGroup>(qkv, input, q_head, kv_head, has_own, blockIdx.y % group_parts == 0, shared);
  __syncthreads();
  const std::size_t cache_at = (std::size_t{kv_head} * qkv.max_positions + chunk * kChunkKeys) * d;
  chunk_logits<T, kGroup>(static_cast<const T*>(qkv.k_cache) + cache_at, n_keys, own_key, d, scale, shared,
                          exponentials);
  __syncthreads();
  float* row =
      task.rows == nullptr ? nullptr : task.rows + set * task.row_set + q_head * task.row_stride + chunk * kChunkKeys;
  float2* stats = task.chunk_stats + set * task.stats_set + std::size_t{q_head} * task.max_chunks;
  chunk_exponentials<kGroup>(exponentials, n_keys, row, task.row_stride, stats + chunk, task.max_chunks);
  __syncthreads();
  float* chunk_out = task.chunk_out + std::size_t{q_head} * task.max_chunks * d;
  chunk_values<T, kGroup>(static_cast<const T*>(qkv.v_cache) + cache_at, n_keys, own_key, d, shared + layout.new_value,
                          exponentials, shared + layout.partial, chunk_out + std::size_t{chunk} * d,
                          std::size_t{task.max_chunks} * d);
  if (!is_last(task.n_done + blockIdx.y, n_chunks)) return;
  join_chunks<kGroup, kThreads>(stats, chunk_out, n_chunks, task.max_chunks, d, task.out + std::size_t{q_head} * d);
}

template <class T, unsigned kGroup>
void launch_chunks(const AttentionTask& task, const StepInput* input, unsigned grid_chunks, cudaStream_t stream) {
  const unsigned group_parts = task.qkv.n_q_heads / task.qkv.n_kv_heads / kGroup;
  const float scale = 1.0F / sqrtf(static_cast<float>(task.qkv.head_dim));
  const std::size_t shared = shared_layout(kGroup, task.qkv.head_dim).total * sizeof(float);
  launch(decode_attention_kernel<T, kGroup>, {dim3(grid_chunks, task.qkv.n_kv_heads * group_parts), kThreads, shared},
         stream, task, input, group_parts, scale);
}

template <class T>
void launch_group(const AttentionTask& task, const StepInput* input, unsigned grid_chunks, cudaStream_t stream) {
  // The largest divisor of the group that one block can serve.
  const unsigned group = task.qkv.n_q_heads / task.qkv.n_kv_heads;
  unsigned served = min(group, kMaxGroup);
  while (group % served != 0) --served;
  switch (served) {
    case 1:
      return launch_chunks<T, 1>(task, input, grid_chunks, stream);
    case 2:
      return launch_chunks<T, 2>(task, input, grid_chunks, stream);
    case 3:
      return launch_chunks<T, 3>(task, input, grid_chunks, stream);
    case 4:
      return launch_chunks<T, 4>(task, input, grid_chunks, stream);
    case 5:
      return launch_chunks<T, 5>(task, input, grid_chunks, stream);
    case 6:
      return launch_chunks<T, 6>(task, input, grid_chunks, stream);
    case 7:
      return launch_chunks<T, 7>(task, input, grid_chunks, stream);
    default:
      return launch_chunks<T, 8>(task, input, grid_chunks, stream);
  }
}

}  // namespace

void decode_attention_cuda(const AttentionTask& task, const StepInput* input, unsigned grid_chunks,
                           cudaStream_t stream) {
  if (task.qkv.type == KvType::f16) {
    launch_group<__half>(task, input, grid_chunks, stream);
  } else {
    launch_group<float>(task, input, grid_chunks, stream);
  }
}

}  // namespace kvwave::kernels
