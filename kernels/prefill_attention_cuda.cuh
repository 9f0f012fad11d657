// Exact attention of a block of prompt positions over the KV cache, on tensor cores, in tiles: no row is ever stored.
// Keys and values of an fp16 cache, and queries rounded to it, are exact operands (tensor_core.cuh).
//
// |device - fp64| <= 1e-5 * (1 + |largest logit|) * max |v|.
#pragma once

#include "kernels/cuda_launch.cuh"
#include "kernels/cuda_step_input.cuh"
#include "kernels/decode_attention.h"

namespace kvwave::kernels {

/// One layer. Position p of the block attends to positions 0 .. first + p:
/// out[p][q_head] = sum_i softmax(q . k / sqrt(head_dim))_i v_i.
struct PrefillAttentionTask {
  unsigned n_q_heads = 0, n_kv_heads = 0;
  unsigned head_dim = 0;       ///< multiple of 8, at most kMaxHeadDim
  unsigned max_positions = 0;  ///< of the cache
  KvType type = KvType::f16;
  const void* k_cache = nullptr;  ///< [kv_head][max_positions][head_dim], the block's positions included
  const void* v_cache = nullptr;
  const float* q = nullptr;  ///< [n_positions, stride], rotated and rounded to `type`; as out
  float* out = nullptr;
  unsigned stride = 0;
};

void prefill_attention_cuda(const PrefillAttentionTask& task, const StepInput* input, unsigned n_positions,
                            cudaStream_t stream);

}  // namespace kvwave::kernels
