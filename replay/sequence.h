// Sizes of one recorded sequence as replay needs them.
#pragma once

#include <cstdint>

namespace kvwave::replay {

/// Never dropped: the value of evicted_at for a position that stays to the end.
inline constexpr std::int32_t kNever = 2147483647;

struct Sequence {
  std::uint32_t n_layers = 0, n_q_heads = 0, n_kv_heads = 0, head_dim = 0;
  std::uint32_t n_positions = 0;  ///< prompt and generated
  std::uint32_t n_prompt = 0;

  std::uint32_t group() const { return n_q_heads / n_kv_heads; }
  /// Decode step s is the query at position n_prompt + s.
  std::uint32_t n_steps() const { return n_positions - n_prompt; }
  /// First counted step of a budget: n_prompt + s + 1 > budget. May be n_steps() or more: none is counted.
  std::uint32_t counted_from(std::uint32_t budget) const { return budget > n_prompt ? budget - n_prompt : 0; }
};

}  // namespace kvwave::replay
