// Attention of one decode step on the device, from the projections of q, k and v to the attended values, in one kernel:
// the keys are split into chunks over blocks; the block that ends last joins what they found. Rows are kept as
// exponentials relative to their chunk's largest logit, with that logit and their sum beside them: row_stats_cuda.cuh
// brings them to one scale, without computing a logit again.
//
// |device - fp64| <= 2e-6 * (1 + |largest logit|) * (p + 0.01) for probabilities, 1e-5 * (1 + |largest logit|) * max
// |v| for outputs, of the q, k and v as rounded to the cache's type.
#pragma once

#include "kernels/cuda_launch.cuh"
#include "kernels/cuda_step_input.cuh"
#include "kernels/transformer_ops_cuda.cuh"

namespace kvwave::kernels {

constexpr unsigned kChunkKeys = 128;  ///< keys of one block; fixed, so that results do not depend on the grid
constexpr unsigned kRowSets = 2;      ///< rows of this step and of the one before, which may still be looked at

__host__ __device__ constexpr unsigned chunks_of(unsigned n_keys) {
  return (n_keys + kChunkKeys - 1) / kChunkKeys;
}

/// One layer at position first, which attends to positions 0 .. first:
///   p[q_head] = softmax(q . k / sqrt(head_dim)), out[q_head] = sum_i p[i] v[i].
struct AttentionTask {
  QkvTask qkv;           ///< of one position; k and v are stored, q is left as it is
  float* out = nullptr;  ///< [n_q_heads * head_dim]
  /// [set][q_head][row_stride], set = slot % kRowSets: exp(logit - largest logit of the chunk). Null = not wanted.
  float* rows = nullptr;
  std::size_t row_stride = 0, row_set = 0;
  float2* chunk_stats = nullptr;  ///< [set][q_head][max_chunks] largest logit and sum of exponentials
  std::size_t stats_set = 0;      ///< elements between sets; 0 where there is one set only
  float* chunk_out = nullptr;     ///< scratch [n_q_heads][max_chunks][head_dim]
  unsigned* n_done = nullptr;     ///< scratch [n_q_heads], zero before and after
  unsigned max_chunks = 0;
};

/// `grid_chunks` chunks are covered: at least those of the keys. More do nothing.
void decode_attention_cuda(const AttentionTask& task, const StepInput* input, unsigned grid_chunks,
                           cudaStream_t stream);

}  // namespace kvwave::kernels
