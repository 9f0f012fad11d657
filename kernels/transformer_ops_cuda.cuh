// The steps of a layer that are neither a product nor attention: embedding, and what happens to q, k and v between
// their projection and attention. RMSNorm, SwiGLU and the residual are part of gemv_cuda.cuh and gemm_cuda.cuh.
#pragma once

#include "kernels/cuda_block_formats.cuh"
#include "kernels/cuda_launch.cuh"
#include "kernels/cuda_step_input.cuh"
#include "kernels/decode_attention.h"

namespace kvwave::kernels {

/// x[p] = row token[p] of the embedding, for n_positions positions; the values of the file, one rounding each.
void embed_cuda(const DeviceMatrix& embedding, const StepInput* input, unsigned n_positions, float* x, unsigned stride,
                cudaStream_t stream);

/// Heads of one layer on their way from projection to attention. Cache layout: [kv_head][max_positions][head_dim].
struct QkvTask {
  unsigned n_q_heads = 0, n_kv_heads = 0;
  unsigned head_dim = 0;  ///< multiple of 8, at most kMaxHeadDim
  unsigned max_positions = 0;
  bool interleaved = false;  ///< pairs (2i, 2i + 1) instead of (i, i + d/2)
  KvType type = KvType::f16;
  float* q = nullptr;  ///< [n_positions, q_stride]
  const float* k = nullptr;
  const float* v = nullptr;
  unsigned q_stride = 0, kv_stride = 0;
  const float* q_norm = nullptr;  ///< [head_dim], null = none
  const float* k_norm = nullptr;
  float epsilon = 0;
  const float2* rope = nullptr;  ///< [max_positions][head_dim / 2] cosine and sine of each pair's angle
  void* k_cache = nullptr;
  void* v_cache = nullptr;
  /// Copies of what attention uses, [slot][p][layer][heads * head_dim] in the cache's type; null = not recorded.
  /// Strides in elements.
  void* record_q = nullptr;
  void* record_k = nullptr;
  void* record_v = nullptr;
  std::size_t record_q_slot = 0, record_kv_slot = 0;          ///< between slots
  std::size_t record_q_position = 0, record_kv_position = 0;  ///< between positions
};

/// For the positions of a block: normalises (where the model does), rotates, rounds to the cache's type; q in place, as
/// fp32; k and v to their positions in the cache. A decode step does this inside decode_attention_cuda().
void store_qkv_cuda(const QkvTask& task, const StepInput* input, unsigned n_positions, cudaStream_t stream);

}  // namespace kvwave::kernels
