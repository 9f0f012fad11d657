// The kernels' operations on host memory, for tests that compare them with references. Compiled twice: as plain C++
// over the shim, and by nvcc for a real device.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "kernels/decode_attention.h"
#include "kernels/params.h"
#include "kernels/row_stats.h"

namespace kvwave::testing {

/// Why tests cannot run here; "" when they can.
std::string why_no_device();

struct GemvCase {
  std::vector<kernels::ParamMatrix> matrices;
  std::vector<std::vector<float>> bias;  ///< per matrix, empty = none
  std::vector<float> x, up, norm;        ///< up and norm empty = none
  std::vector<float> before;             ///< of every output, for accumulate; empty = overwrite
  float epsilon = 1e-5F;
  unsigned n_positions = 1;
  bool tensor_cores = false;  ///< even for one position; several always use them
};
/// [matrix][n_positions * rows]
std::vector<std::vector<float>> run_gemv(const GemvCase& input);

std::vector<float> run_embed(const kernels::ParamMatrix& embedding, std::span<const std::int32_t> tokens);

struct AttentionCase {
  unsigned n_q_heads = 1, n_kv_heads = 1, head_dim = 64;
  unsigned first = 0, n_queries = 1;  ///< queries at positions first .. first + n_queries - 1; decoding has one
  kernels::KvType type = kernels::KvType::f16;
  unsigned spare_chunks = 0;  ///< grid larger than needed
  std::vector<float> q;       ///< [n_queries, n_q_heads, head_dim]
  std::vector<float> k, v;    ///< [first + n_queries, n_kv_heads, head_dim]
};
struct AttentionResult {
  std::vector<std::vector<float>> rows;  ///< [q_head][position]; none of a prompt
  std::vector<float> out;                ///< as q
  unsigned counters_left = 0;            ///< what the kernel left in its scratch counters: 0
};
AttentionResult run_attention(const AttentionCase& input);
AttentionResult run_prefill_attention(const AttentionCase& input);

struct QkvCase {
  unsigned n_q_heads = 1, n_kv_heads = 1, head_dim = 64, first = 0, n_positions = 1;
  bool interleaved = false;
  kernels::KvType type = kernels::KvType::f16;
  std::vector<float> q, k, v;         ///< [n_positions, heads, head_dim]
  std::vector<float> q_norm, k_norm;  ///< empty = none
  std::vector<float> cosine, sine;    ///< [n_positions, head_dim / 2]
  float epsilon = 1e-5F;
};
struct QkvResult {
  std::vector<float> q;                             ///< as attention reads it
  std::vector<float> k_cache, v_cache;              ///< [n_positions, n_kv_heads, head_dim]
  std::vector<float> q_record, k_record, v_record;  ///< the recorded copies
};
QkvResult run_store_qkv(const QkvCase& input);

struct RowStatsCase {
  std::vector<std::vector<float>> rows;  ///< one per q_head, equal lengths
  std::vector<float> chunk_logit;        ///< largest logit of each chunk of the rows; empty = all 0
  std::vector<double> rho;
  double epsilon = 1e-2;
  kernels::ProbType type = kernels::ProbType::f16;
  unsigned n_sink = 4, n_recent = 32;
};
struct RowStatsResult {
  std::vector<float> rows;            ///< [row, n + 5] the probabilities, at the kernels' stride
  std::vector<std::uint32_t> demand;  ///< [row, rho]
  std::vector<kernels::RowStats> stats;
  std::vector<std::uint32_t> n_invalid, count;
  std::vector<float> residual;
  std::vector<std::uint32_t> position;  ///< packed
  std::vector<std::byte> prob;
};
RowStatsResult run_row_stats(const RowStatsCase& input);

}  // namespace kvwave::testing
