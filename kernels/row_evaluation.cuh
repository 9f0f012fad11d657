// The kernels behind row_evaluation.h. Calls only enqueue work on the stream; results are the same bits in every run on
// one device. Attention probabilities lie within 1e-5 of fp64 for |logits| up to 50, sums of them within 2e-6 of the
// sum of those probabilities.
#pragma once

#include <cstdint>
#include <cuda_runtime.h>

#include "kernels/row_evaluation.h"

namespace kvwave::kernels {

/// row_max and row_share; the other calls need them.
void row_normalisers_cuda(const EvaluationRows& rows, cudaStream_t stream);

/// value and n_greater of every rank, exact for the probabilities the other kernels see.
void row_ranks_cuda(const EvaluationRows& rows, const RowRanks& ranks, cudaStream_t stream);

/// All of `results` in one pass over the keys for all configurations. `recall`: one rank, or none when n_recalled is
/// null.
void retained_mass_cuda(const EvaluationRows& rows, const EvaluationConfigs& configs, const RowRanks& recall,
                        const RetainedResults& results, cudaStream_t stream);

/// error_square[row, c] = |o_S - o|^2 for each configuration, o_S from the renormalised row (0 where nothing is
/// visible); mass and output as retained_mass_cuda() gave them. Work grows with what is visible, not with the row's
/// length.
void output_error_cuda(const EvaluationRows& rows, const EvaluationConfigs& configs, const float* mass,
                       const float* output, float* error_square, cudaStream_t stream);

/// mass[rank, row] = sum of the row's top-k; error_square[rank, row] as above with S = the top-k (null, with output,
/// when not wanted).
void ceilings_cuda(const EvaluationRows& rows, const RowRanks& ranks, const float* output, float* mass,
                   float* error_square, cudaStream_t stream);

/// future_mass[h, i] = sum over query positions [first, end) of the mean over h's group of attn_prob(i), what the
/// clairvoyant oracle keeps; all their rows must have been normalised. future_mass: [n_kv_heads, n_positions], written
/// for i < end.
void position_mass_cuda(const EvaluationRows& rows, std::uint32_t first, std::uint32_t end, double* future_mass,
                        cudaStream_t stream);

}  // namespace kvwave::kernels
