// What a scorer may look at: the residents of one cache, with the statistics it asked for.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <span>

namespace kvwave::alloc {

/// Needs::prompt_rows: every row of the prompt.
inline constexpr std::uint32_t kAllPromptRows = 0xFFFFFFFFU;

/// How the rows of a cache's query heads become one.
enum class RowReduction { sum, mean, max };

/// Statistics a scorer asks for, with the parameters that shape them.
struct Needs {
  bool importance = false;   ///< R-KV's A: LOGIT-MAX over the group, PREFIX softmax, mean over window queries, max pool
  bool redundancy = false;   ///< R-KV's Red over all residents
  bool future_mass = false;  ///< clairvoyant: sum over all later rows of the full attn_prob, group mean
  std::uint32_t pool_kernel = 7;      ///< odd; 1 = no pooling
  double similarity_threshold = 0.5;  ///< cosine above which a neighbour counts as a near-duplicate
  bool round_bf16 = false;            ///< round A and Red to bfloat16 as the official code does

  bool keys = false, values = false, queries = false;  ///< Residents::keys, values, queries
  bool rope = false;                                   ///< Residents::rope
  std::uint32_t window_rows = 0;  ///< Residents::window_rows of that many newest queries (fewer at the start)

  bool window_rows_after_prompt_only = false;  ///< they are formed for the cut after the prompt alone

  bool rows = false;              ///< the scorer's state observes the row of every decode step
  std::uint32_t prompt_rows = 0;  ///< and before them those of that many newest prompt positions, oldest first
  RowReduction reduction = RowReduction::sum;  ///< over the query heads of one cache

  /// Whether anything is asked for that only queries, keys or values (level qkv) can give.
  bool any() const {
    return importance || redundancy || future_mass || keys || values || queries || window_rows > 0 || rows;
  }
};

/// Vectors of one head by absolute position.
class TensorRows {
 public:
  TensorRows() = default;
  TensorRows(const float* first, std::size_t stride, std::size_t width, std::size_t count)
      : first_(first), stride_(stride), width_(width), count_(count) {}

  /// Positions 0 .. size() - 1 exist: up to the deciding step's own.
  std::size_t size() const { return count_; }
  std::size_t width() const { return width_; }
  std::span<const float> operator[](std::size_t position) const {
    assert(position < count_);
    return {first_ + position * stride_, width_};
  }

 private:
  const float* first_ = nullptr;
  std::size_t stride_ = 0, width_ = 0, count_ = 0;
};

/// Rotary position embedding: pair i of a vector is turned by position * frequency[i].
struct Rope {
  std::span<const double> frequency;  ///< [head_dim / 2] angle per position, scaling included
  bool interleaved = false;           ///< pairs are channels (2i, 2i + 1); otherwise (i, i + head_dim / 2)
};

/// Attention rows of the newest queries over the residents, FULL scope: softmax over all residents that stand at or
/// before the query, so that the part on the candidates sums to less than 1.
struct WindowRows {
  std::uint32_t n_queries = 0, n_heads = 0;  ///< n_heads: query heads of the cache (the group; 1 for q_head caches)
  std::size_t n_residents = 0;
  std::span<const float> prob;  ///< [n_queries, n_heads, n_residents], oldest query first, columns in slot order

  std::span<const float> row(std::uint32_t query, std::uint32_t head) const {
    return prob.subspan((std::size_t{query} * n_heads + head) * n_residents, n_residents);
  }
};

/// One cache at a refresh: that of a KV head, unless the rule's granularity says otherwise. n residents,
/// m = n - window candidates (slots 0 .. m-1; the window's slots come last). What was not asked for is empty.
struct Residents {
  std::uint64_t trace_key = 0;  ///< identifies the trace (first 8 bytes of its content hash), keys random streams
  std::uint32_t layer = 0;
  std::uint32_t kv_head = 0;  ///< index of the cache in its layer: a query head for q_head caches, 0 for layer caches
  std::uint32_t refresh = 0;  ///< 0 = the cut after the prompt, then 1, 2, ... per trigger
  std::uint32_t now = 0;      ///< position of the deciding step (the last prompt position for the cut after prefill)
  std::uint32_t n_prompt = 0;
  std::int32_t budget = 0;                  ///< of this cache, as in force before the refresh
  std::span<const std::uint32_t> position;  ///< [n] in slot order
  std::span<const float> importance;        ///< [m]
  std::span<const float> redundancy;        ///< [m]
  std::span<const float> future_mass;       ///< [m]
  TensorRows keys;                          ///< [head_dim] post-RoPE keys of the KV head
  TensorRows values;                        ///< [head_dim]
  TensorRows queries;                       ///< [G * head_dim] post-RoPE queries of the group; [head_dim] for q_head
  Rope rope;
  WindowRows window_rows;
};

}  // namespace kvwave::alloc
