// What row_stats.h says of a softmax row, computed on the device for all (layer, q_head) rows of a step at once. Sums
// are the same exact integers, so demand, masses, max_prob and covering sets equal the CPU's bit by bit for the same
// row; entropy within 1e-5 relative + 1e-7.
#pragma once

#include <cstdint>

#include "kernels/cuda_launch.cuh"
#include "kernels/row_stats.h"

namespace kvwave::kernels {

constexpr unsigned kMaxRho = 15;

/// Where the answers go; all arrays are indexed by row.
struct RowStatsOutputs {
  std::uint32_t* demand = nullptr;  ///< [n_rows][n_rho]
  RowStats* stats = nullptr;
  std::uint32_t* n_invalid = nullptr;  ///< entries that are no probability
  std::uint32_t* count = nullptr;      ///< entries of the covering set
  float* residual = nullptr;
};

/// Covering sets, packed: row after row, positions ascending.
struct CoveringOutputs {
  std::uint32_t* position = nullptr;
  void* prob = nullptr;            ///< f16 or f32
  std::uint32_t* total = nullptr;  ///< entries of all rows
  ProbType type = ProbType::f16;
};

struct RowStatsTask {
  /// Exponentials as decode_attention_cuda() leaves them; become probabilities.
  float* rows = nullptr;  ///< [n_rows][row_stride]
  std::size_t row_stride = 0;
  const float2* chunk_stats = nullptr;  ///< [n_rows][max_chunks]
  unsigned max_chunks = 0;
  unsigned n_rows = 0;  ///< (layer, q_head), layer-major
  unsigned length = 0;  ///< entries of each row, at least 1
  unsigned n_rho = 0;
  unsigned long long rho_target[kMaxRho] = {};  ///< exact_target() of each rho
  double keep = 1;                              ///< 1 - epsilon; 1 keeps everything
  bool covering = false;                        ///< whether sets are wanted at all
  unsigned n_sink = 0, n_recent = 0;
  RowStatsOutputs out;
  CoveringOutputs sets;
  uint3* cuts = nullptr;  ///< scratch [n_rows]: threshold, ties taken and offset of each covering set
};

void row_stats_cuda(const RowStatsTask& task, cudaStream_t stream);

/// The second half of it: entries and residuals of the sets whose cuts and counts are there.
void covering_sets_cuda(const RowStatsTask& task, cudaStream_t stream);

}  // namespace kvwave::kernels
