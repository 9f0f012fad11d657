// What row_stats.h says of a softmax row, computed on the device for all q_heads of a layer at once. Sums are the same
// exact integers, so demand, masses, max_prob and covering sets equal the CPU's bit by bit for the same row; entropy
// within 1e-5 relative + 1e-7.
#pragma once

#include <cstdint>

#include "kernels/cuda_launch.cuh"
#include "kernels/cuda_step_input.cuh"
#include "kernels/row_stats.h"

namespace kvwave::kernels {

constexpr unsigned kMaxRho = 15;

/// Where the answers for one layer go; all arrays are indexed by q_head.
struct RowStatsOutputs {
  std::uint32_t* demand = nullptr;  ///< [n_q_heads][n_rho]
  RowStats* stats = nullptr;
  std::uint32_t* n_invalid = nullptr;  ///< entries that are no probability
  std::uint32_t* count = nullptr;      ///< entries of the covering set
  float* residual = nullptr;
};

/// Covering sets of a position, packed: layer after layer, q_head after q_head, positions ascending.
struct CoveringOutputs {
  std::uint32_t* position = nullptr;
  void* prob = nullptr;            ///< f16 or f32
  std::uint32_t* total = nullptr;  ///< entries so far
  ProbType type = ProbType::f16;
};

struct RowStatsTask {
  const float* rows = nullptr;  ///< [n_q_heads][row_stride] of the block's first position
  std::size_t row_stride = 0;
  unsigned n_q_heads = 0;
  unsigned n_rho = 0;
  unsigned long long rho_target[kMaxRho] = {};  ///< exact_target() of each rho
  double keep = 1;                              ///< 1 - epsilon; 1 keeps everything
  bool covering = false;                        ///< whether sets are wanted at all
  unsigned n_sink = 0, n_recent = 0;
  bool first_layer = false;  ///< the packed entries start anew
  RowStatsOutputs out;
  CoveringOutputs sets;
  /// Outputs above are those of slot 0; these are added per slot, in elements. `word_slot` is that of all arrays of
  /// four-byte elements but the entries.
  std::size_t word_slot = 0, stats_slot = 0, entry_slot = 0;
  /// Scratch [n_q_heads]: threshold, ties taken and offset of each covering set.
  uint3* cuts = nullptr;
};

/// Row of the block's first position, of length input->first + 1.
void row_stats_cuda(const RowStatsTask& task, const StepInput* input, cudaStream_t stream);

}  // namespace kvwave::kernels
