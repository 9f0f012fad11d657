// R-KV's statistics and the selection on a GPU. Pointers in the batch are device memory; calls only enqueue work on the
// stream. Results are the same bits in every run on one device: all sums have a fixed order.
#pragma once

#include <cstdint>
#include <cuda_runtime.h>

#include "kernels/rkv_batch.h"

namespace kvwave::kernels {

/// unit[i] = key[i] / (|key[i]| + 1e-8) for n vectors; the CPU's unit_keys(), bit for bit.
void unit_keys_cuda(const float* key, std::uint32_t n, std::uint32_t head_dim, float* unit, cudaStream_t stream);

/// importance of every cache. Logits are the CPU's bits; softmax and mean differ by rounding: relative 2e-6.
void rkv_importance_cuda(const RkvBatch& batch, cudaStream_t stream);

/// redundancy and retained of every cache. Cosines and so `retained` are the CPU's bits; redundancy differs by the
/// order of fp64 sums: relative 1e-6.
void rkv_redundancy_cuda(const RkvBatch& batch, cudaStream_t stream);

/// Scores are finite. Exact: the ranks are counted, not sorted.
void select_top_cuda(const float* score, const Selection* selection, std::uint32_t n_selections,
                     std::uint32_t max_scores, std::uint32_t* order, cudaStream_t stream);

}  // namespace kvwave::kernels
