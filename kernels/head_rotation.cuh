// One head of q, k or v on its way into attention, by one warp: RMSNorm where the model has one, rotation, rounding to
// the cache's type, and the copy that is recorded. Include it only from .cu files.
#pragma once

#include <type_traits>

#include "kernels/cuda_reduce.cuh"
#include "kernels/transformer_ops_cuda.cuh"

namespace kvwave::kernels {
namespace {

enum class HeadKind { q, k, v };

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

/// Calls write(component, value) for each component of head `head` of position `p` of the block; all lanes of a warp
/// call it.
template <class T, class Write>
__device__ void rotate_head(const QkvTask& task, const StepInput* input, HeadKind kind, unsigned head, unsigned p,
                            const Write& write) {
  const unsigned d = task.head_dim;
  const unsigned lane = threadIdx.x % kWarp;
  const float* from = kind == HeadKind::q   ? task.q + std::size_t{p} * task.q_stride
                      : kind == HeadKind::k ? task.k + std::size_t{p} * task.kv_stride
                                            : task.v + std::size_t{p} * task.kv_stride;
  from += std::size_t{head} * d;
  const float* norm = kind == HeadKind::q ? task.q_norm : kind == HeadKind::k ? task.k_norm : nullptr;
  float scale = 1;
  if (norm != nullptr) {
    double sum = 0;
    for (unsigned i = lane; i < d; i += kWarp) sum += static_cast<double>(from[i]) * static_cast<double>(from[i]);
    sum = warp_reduce(sum, Sum{});
    __syncwarp();  // `write` may go where other lanes read
    scale = static_cast<float>(1.0 / sqrt(sum / static_cast<double>(d) + static_cast<double>(task.epsilon)));
  }
  const float2* angles = task.rope + std::size_t{input->first + p} * (d / 2);
  for (unsigned pair = lane; pair < d / 2; pair += kWarp) {
    const unsigned ia = task.interleaved ? 2 * pair : pair;
    const unsigned ib = task.interleaved ? 2 * pair + 1 : pair + d / 2;
    float a = from[ia];
    float b = from[ib];
    if (norm != nullptr) {
      a = a * scale * norm[ia];
      b = b * scale * norm[ib];
    }
    if (kind != HeadKind::v) {
      const float2 angle = angles[pair];
      const float rotated = a * angle.x - b * angle.y;
      b = a * angle.y + b * angle.x;
      a = rotated;
    }
    write(ia, round_to<T>(a));
    write(ib, round_to<T>(b));
  }
}

/// Where the head is recorded; null = nowhere.
template <class T>
__device__ __forceinline__ T* record_of(const QkvTask& task, const StepInput* input, HeadKind kind, unsigned head,
                                        unsigned p) {
  T* record = static_cast<T*>(kind == HeadKind::q   ? task.record_q
                              : kind == HeadKind::k ? task.record_k
                                                    : task.record_v);
  if (record == nullptr) return nullptr;
  const bool is_q = kind == HeadKind::q;
  return record + input->slot * (is_q ? task.record_q_slot : task.record_kv_slot) +
         p * (is_q ? task.record_q_position : task.record_kv_position) + std::size_t{head} * task.head_dim;
}

/// Where the head lies in the cache.
template <class T>
__device__ __forceinline__ T* cached_head(const QkvTask& task, const StepInput* input, HeadKind kind, unsigned head,
                                          unsigned p) {
  return static_cast<T*>(kind == HeadKind::v ? task.v_cache : task.k_cache) +
         (std::size_t{head} * task.max_positions + input->first + p) * task.head_dim;
}

}  // namespace
}  // namespace kvwave::kernels
