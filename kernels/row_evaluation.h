// What up to 64 configurations lose of each attention row of a layer, computed from q, k and v without ever storing a
// row: the second phase of a replay as a GPU runs it. Raw pointers are device memory.
//
// Rows are numbered (position - first_position) * n_q_heads + q_head. A span is a run of rows of one q_head that one
// block computes together; within a span no configuration drops anything, so one word per position says for all its
// rows which configurations still see that position.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kvwave::kernels {

inline constexpr std::uint32_t kMaxSpanRows = 32;
inline constexpr std::uint32_t kMaxEvaluationConfigs = 64;
inline constexpr std::uint32_t kMaxRecallCount = 32;

struct RowSpan {
  std::uint32_t q_head = 0;
  std::uint32_t first_position = 0;  ///< query positions first_position .. first_position + n_rows - 1
  std::uint32_t n_rows = 0;          ///< 1 .. kMaxSpanRows
};

/// The rows of one call and what they are made of.
struct EvaluationRows {
  const float* q = nullptr;  ///< [n_positions, n_q_heads, head_dim]
  const float* k = nullptr;  ///< [n_positions, n_kv_heads, head_dim]
  const float* v = nullptr;  ///< the same
  std::uint32_t n_positions = 0, n_q_heads = 0, n_kv_heads = 0;
  std::uint32_t head_dim = 0;  ///< multiple of 4, at most 256
  std::uint32_t n_prompt = 0;
  std::uint32_t first_position = 0;  ///< of row 0; at least n_prompt
  std::uint32_t n_rows = 0;          ///< of all q_heads together
  const RowSpan* span = nullptr;
  std::uint32_t n_spans = 0;
  // Of each row: the largest logit, and 1 / the sum of exp(logit - largest).
  float* row_max = nullptr;    ///< [n_rows]
  float* row_share = nullptr;  ///< [n_rows]
};

/// Who sees what. Position i is visible in decode step s = position - n_prompt when s < evicted_at.
struct EvaluationConfigs {
  const std::int32_t* evicted_at = nullptr;  ///< [n_configs, n_kv_heads, n_positions]
  std::uint32_t n_configs = 0;               ///< at most kMaxEvaluationConfigs
};

/// The k-th largest attn_prob of each row, for several k. The top-k of a row are its min(k, length) largest entries,
/// ties to the lower position: everything greater than `value`, and the first k - n_greater entries equal to it.
struct RowRanks {
  const std::uint32_t* count = nullptr;  ///< [n_ranks, n_rows]: k, at least 1
  std::uint32_t n_ranks = 0;
  float* value = nullptr;              ///< [n_ranks, n_rows] the k-th largest, 0 in rows with fewer positive entries
  std::uint32_t* n_greater = nullptr;  ///< [n_ranks, n_rows] entries strictly greater
};

/// What the configurations see of each row.
struct RetainedResults {
  float* mass = nullptr;                ///< [n_rows, n_configs] sum of attn_prob over what is visible
  std::uint32_t* n_recalled = nullptr;  ///< [n_rows, n_configs] visible ones of the row's top-k, k <= kMaxRecallCount;
                                        ///< null = not wanted
  float* output = nullptr;              ///< [n_rows, head_dim] full attention output o; null = not wanted
  float* output_square = nullptr;       ///< [n_rows] |o|^2, with output
  std::int32_t* last_needed = nullptr;  ///< [n_kv_heads, n_positions] raised to the latest decode step in which a row
                                        ///< of the group gave the position more than needed_share; null = not wanted
  float needed_share = 0;
};

}  // namespace kvwave::kernels
