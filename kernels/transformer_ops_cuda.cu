#include <type_traits>

#include "kernels/cuda_matrix.cuh"
#include "kernels/cuda_reduce.cuh"
#include "kernels/transformer_ops_cuda.cuh"

namespace kvwave::kernels {
namespace {

constexpr unsigned kEmbedThreads = 128;
constexpr unsigned kHeadThreads = kMaxHeadDim / 2;  // one per pair of components

/// Grid: positions. Each thread expands slices and writes the columns they hold.
template <ParamType kType>
__global__ void embed_kernel(DeviceMatrix embedding, const StepInput* input, float* x, unsigned stride) {
  constexpr unsigned kValues = Format<kType>::kValues;
  const auto token = static_cast<std::size_t>(input->token[blockIdx.x]);
  float* out = x + std::size_t{blockIdx.x} * stride;
  for (unsigned column = threadIdx.x * 4; column < embedding.cols; column += kEmbedThreads * 4) {
    const SlicePlace place = Format<kType>::place_of(column);
    float w[kValues];
    Format<kType>::expand(embedding, token, place.slice, w);
#pragma unroll
    for (unsigned g = 0; g < kValues / 4; ++g) {  // a constant index keeps w in registers
      if (g != place.group) continue;
      for (unsigned i = 0; i < 4 && column + i < embedding.cols; ++i) out[column + i] = w[4 * g + i];
    }
  }
}

template <class T>
__device__ __forceinline__ T round_to(float value) {
  if constexpr (std::is_same_v<T, __half>) {
    return __float2half_rn(value);
  } else {
    return value;
  }
}
template <class T>
__device__ __forceinline__ float as_float(T value) {
  if constexpr (std::is_same_v<T, __half>) {
    return __half2float(value);
  } else {
    return value;
  }
}

/// Scale of a head's RMSNorm, the same for all threads.
__device__ float head_norm_scale(const float* head, unsigned head_dim, float epsilon) {
  double sum = 0;
  for (unsigned i = threadIdx.x; i < head_dim; i += kHeadThreads) {
    sum += static_cast<double>(head[i]) * static_cast<double>(head[i]);
  }
  sum = block_reduce(sum, Sum{}, 0.0);
  return static_cast<float>(1.0 / sqrt(sum / static_cast<double>(head_dim) + static_cast<double>(epsilon)));
}

/// Grid: (q heads, then k heads, then v heads; positions). One thread a pair of components.
template <class T>
__global__ void __launch_bounds__(kHeadThreads) store_qkv_kernel(QkvTask task, const StepInput* input) {
  const unsigned d = task.head_dim;
  const unsigned p = blockIdx.y;
  const bool is_q = blockIdx.x < task.n_q_heads;
  const bool is_v = blockIdx.x >= task.n_q_heads + task.n_kv_heads;
  const unsigned head = is_q ? blockIdx.x : (blockIdx.x - task.n_q_heads) % task.n_kv_heads;

  const float* from =
      is_q ? task.q + std::size_t{p} * task.q_stride : (is_v ? task.v : task.k) + std::size_t{p} * task.kv_stride;
  from += std::size_t{head} * d;
  const float* norm = is_v ? nullptr : is_q ? task.q_norm : task.k_norm;
  float scale = 1;
  if (norm != nullptr) scale = head_norm_scale(from, d, task.epsilon);

  const unsigned pair = threadIdx.x;
  if (pair >= d / 2) return;
  const unsigned ia = task.interleaved ? 2 * pair : pair;
  const unsigned ib = task.interleaved ? 2 * pair + 1 : pair + d / 2;
  float a = from[ia];
  float b = from[ib];
  if (norm != nullptr) {
    a = a * scale * norm[ia];
    b = b * scale * norm[ib];
  }
  if (!is_v) {
    const float2 angle = input->rope[p][pair];
    const float rotated = a * angle.x - b * angle.y;
    b = a * angle.y + b * angle.x;
    a = rotated;
  }
  const T stored_a = round_to<T>(a);
  const T stored_b = round_to<T>(b);
  if (is_q) {
    float* q = task.q + std::size_t{p} * task.q_stride + std::size_t{head} * d;
    q[ia] = as_float(stored_a);
    q[ib] = as_float(stored_b);
  } else {
    T* cache = static_cast<T*>(is_v ? task.v_cache : task.k_cache) +
               (std::size_t{head} * task.max_positions + input->first + p) * d;
    cache[ia] = stored_a;
    cache[ib] = stored_b;
  }
  T* record = static_cast<T*>(is_q ? task.record_q : is_v ? task.record_v : task.record_k);
  if (record == nullptr) return;
  record += input->slot * (is_q ? task.record_q_slot : task.record_kv_slot) +
            p * (is_q ? task.record_q_position : task.record_kv_position) + std::size_t{head} * d;
  record[ia] = stored_a;
  record[ib] = stored_b;
}

}  // namespace

void embed_cuda(const DeviceMatrix& embedding, const StepInput* input, unsigned n_positions, float* x, unsigned stride,
                cudaStream_t stream) {
  with_param_type(embedding.type, [&]<ParamType kType>() {
    launch(embed_kernel<kType>, {n_positions, kEmbedThreads}, stream, embedding, input, x, stride);
  });
}

void store_qkv_cuda(const QkvTask& task, const StepInput* input, unsigned n_positions, cudaStream_t stream) {
  const LaunchShape shape{dim3(task.n_q_heads + 2 * task.n_kv_heads, n_positions), kHeadThreads};
  if (task.type == KvType::f16) {
    launch(store_qkv_kernel<__half>, shape, stream, task, input);
  } else {
    launch(store_qkv_kernel<float>, shape, stream, task, input);
  }
}

}  // namespace kvwave::kernels
