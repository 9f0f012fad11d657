// Sizes of one recorded sequence as replay needs them.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace kvwave::replay {

/// Never dropped: the value of evicted_at for a position that stays to the end.
inline constexpr std::int32_t kNever = 2147483647;

/// Where generated text ends lines and thinking, for triggers that look at tokens.
struct TokenMarks {
  std::vector<std::uint32_t> line_end;    ///< positions of generated tokens that end a line, ascending
  std::uint32_t think_end = 0xFFFFFFFFU;  ///< position of the generated token that completes "</think>"; none: largest
};

struct Sequence {
  std::uint32_t n_layers = 0, n_q_heads = 0, n_kv_heads = 0, head_dim = 0;
  std::uint32_t n_positions = 0;  ///< prompt and generated
  std::uint32_t n_prompt = 0;
  std::shared_ptr<const TokenMarks> marks = nullptr;  ///< null unless some trigger looks at tokens

  std::uint32_t group() const { return n_q_heads / n_kv_heads; }
  /// Decode step s is the query at position n_prompt + s.
  std::uint32_t n_steps() const { return n_positions - n_prompt; }
  /// First counted step of a budget: n_prompt + s + 1 > budget. May be n_steps() or more: none is counted.
  std::uint32_t counted_from(std::uint32_t budget) const { return budget > n_prompt ? budget - n_prompt : 0; }
};

}  // namespace kvwave::replay
