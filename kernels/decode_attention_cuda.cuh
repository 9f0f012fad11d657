// Exact attention of new queries over the KV cache on the device, with the softmax rows as a by-product. The keys are
// split into chunks over blocks; a second pass brings the chunks to one scale, without computing a logit again.
#pragma once

#include "kernels/cuda_launch.cuh"
#include "kernels/cuda_step_input.cuh"
#include "kernels/decode_attention.h"

namespace kvwave::kernels {

constexpr unsigned kChunkKeys = 128;  ///< keys of one block; fixed, so that results do not depend on the grid

__host__ __device__ constexpr unsigned chunks_of(unsigned n_keys) {
  return (n_keys + kChunkKeys - 1) / kChunkKeys;
}

/// One layer. Query p of the block attends to positions 0 .. first + p:
///   rows[p][q_head] = softmax(q . k / sqrt(head_dim)), out[p][q_head] = sum_i rows[i] v[i].
struct AttentionTask {
  unsigned n_q_heads = 0, n_kv_heads = 0;
  unsigned head_dim = 0;       ///< multiple of 8, at most kMaxHeadDim
  unsigned max_positions = 0;  ///< of the cache
  KvType type = KvType::f16;
  const void* k_cache = nullptr;  ///< [kv_head][max_positions][head_dim]
  const void* v_cache = nullptr;
  const float* q = nullptr;  ///< [n_positions, stride], as out
  float* out = nullptr;
  unsigned stride = 0;
  float* rows = nullptr;  ///< [n_positions][n_q_heads][row_stride]
  std::size_t row_stride = 0;
  float2* chunk_stats = nullptr;  ///< scratch [n_positions][n_q_heads][max_chunks]: maximum and sum of exponentials
  float* chunk_out = nullptr;     ///< scratch [n_positions][n_q_heads][max_chunks][head_dim]
  unsigned max_chunks = 0;
};

/// `grid_chunks` chunks are covered: at least those of the last query's keys. More do nothing.
void decode_attention_cuda(const AttentionTask& task, const StepInput* input, unsigned n_positions,
                           unsigned grid_chunks, cudaStream_t stream);

}  // namespace kvwave::kernels
