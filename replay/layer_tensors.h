// Queries, keys and values of one layer, in the layouts that simulation and evaluation read.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "alloc/residents.h"
#include "replay/sequence.h"

namespace kvwave::traces {
class TraceReader;
}

namespace kvwave::replay {

class LayerTensors {
 public:
  static constexpr std::uint32_t kReadPositions = 512;  ///< read together from a trace

  /// q [P, Hq, d] and k, v [P, Hkv, d] as a trace stores them; sizes must fit.
  LayerTensors(const Sequence& sequence, std::uint32_t layer, std::vector<float> q, std::span<const float> k,
               std::span<const float> v);
  /// Reads one layer (level qkv), keys and values in blocks of positions, so that no second copy of them is in memory.
  /// Throws CorruptTrace when a value is not finite.
  LayerTensors(const traces::TraceReader& trace, const Sequence& sequence, std::uint32_t layer);

  const Sequence& sequence() const { return sequence_; }
  std::uint32_t layer() const { return layer_; }
  std::uint32_t value_width() const { return value_width_; }  ///< head_dim rounded up to a multiple of 16

  /// The group's queries at one position: [G, d].
  std::span<const float> queries(std::uint32_t kv_head, std::uint32_t position) const;
  std::span<const float> keys(std::uint32_t kv_head) const;       ///< [P, d]
  std::span<const float> unit_keys(std::uint32_t kv_head) const;  ///< [P, d], kernels/rkv_redundancy.h
  std::span<const float> values(std::uint32_t kv_head) const;     ///< [P, value_width], padded with zeros
  // Views by position over the first n_seen positions, for scorers.
  alloc::TensorRows key_rows(std::uint32_t kv_head, std::uint32_t n_seen) const;    ///< [d]
  alloc::TensorRows value_rows(std::uint32_t kv_head, std::uint32_t n_seen) const;  ///< [d]
  /// [n_q_heads * d] of query heads q_head, q_head + 1, ...
  alloc::TensorRows query_rows(std::uint32_t q_head, std::uint32_t n_q_heads, std::uint32_t n_seen) const;
  /// Largest |v| among positions 0 .. position.
  float max_value_norm(std::uint32_t kv_head, std::uint32_t position) const;

 private:
  LayerTensors(const Sequence& sequence, std::uint32_t layer);  // room for everything but q
  void put(std::uint32_t first_position, std::span<const float> k, std::span<const float> v);  // in ascending order
  void finish();

  Sequence sequence_;
  std::uint32_t layer_, value_width_;
  std::vector<float> q_;               // [P, Hq, d]
  std::vector<float> k_, unit_k_, v_;  // [Hkv, P, d or width]
  std::vector<float> max_value_norm_;  // [Hkv, P]
};

}  // namespace kvwave::replay
