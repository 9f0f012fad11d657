// When a policy acts, what one decision covers, and what is never dropped: everything about a policy but its score.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace kvwave::alloc {

enum class PromptRule {
  cut,     ///< after prefill a prompt longer than the budget is cut
  keep,    ///< the prompt stays whole until the first trigger
  protect  ///< prompt positions are never dropped and count inside the budget; refused where they do not fit
};
enum class SlotOrder {
  score,  ///< survivors are stored best first, then the window in time order (original R-KV, SnapKV)
  time    ///< survivors are stored in position order (2026 serving code)
};

/// After which decode steps a policy acts. n = entries of a cache with the step's own, B = its budget.
enum class Trigger {
  position_multiple,  ///< position a multiple of `buffer` and n >= B: original R-KV, the prompt counted
  decoded_multiple,   ///< a multiple of `buffer` tokens decoded and n >= B + buffer: R-KV 2026, the prompt not counted
  overflow_multiple,  ///< a multiple of `buffer` tokens decoded and n > B: LazyEviction
  newline,            ///< the step's own token ends a line (ends_line()) and n >= B: R-KV's other trigger
  every_step,         ///< n > B: TOVA, H2O, CAKE's decode form
  after_prompt        ///< once, after prefill, when n > B; the decoded tail is unbounded
};
/// What the attention of the deciding step reads.
enum class CutTime {
  after_attention,  ///< the uncut cache: a drop decided in step s shows from s + 1
  before_attention  ///< the cut cache: it shows in s itself (the step's query is known by then)
};
/// Which heads share one decision.
enum class Granularity {
  kv_head,  ///< one cache per KV head
  q_head,   ///< keys are repeated: one cache per query head, each with the budget of a KV head (memory times G)
  layer     ///< one set of positions for all heads of a layer (TOVA)
};
/// What happens to entries that attention does not read.
enum class StrategyKind {
  destructive,  ///< they are gone
  selection,    ///< they stay in memory and may be read in any later step: the gain is bytes read
  offload       ///< they wait elsewhere and come back when needed: the price is bytes moved
};

/// Positions that no score can drop. They count inside the budget and are refused where they do not fit.
struct Protection {
  bool prompt = false;
  std::uint32_t sinks = 0;   ///< first positions of the sequence
  std::uint32_t recent = 0;  ///< newest positions; beside a policy's own window the larger of the two holds

  bool any() const { return prompt || sinks > 0 || recent > 0; }
  bool operator==(const Protection&) const = default;

  /// Items `sinks:N`, `recent:N`, `prompt` in any order, joined by `+` or `,`; `none` = nothing. N in [0, 1000000].
  /// Throws BadStrategy.
  static Protection parse(std::string_view text);
  /// `sinks:4+recent:8+prompt`, or `none`.
  std::string text() const;
};

struct RefreshRule {
  std::uint32_t window = 8;    ///< newest slots, always kept, inside the budget
  std::uint32_t buffer = 128;  ///< distance of the triggers that act at multiples
  PromptRule prompt = PromptRule::cut;
  SlotOrder order = SlotOrder::score;
  Trigger trigger = Trigger::position_multiple;
  CutTime cut = CutTime::after_attention;
  Granularity granularity = Granularity::kv_head;
  Protection protection;
  bool until_think_end = false;  ///< Trigger::newline: not after the text "</think>" was written

  bool protects_prompt() const { return prompt == PromptRule::protect || protection.prompt; }
  bool protects() const { return protects_prompt() || protection.any(); }
};

/// Whether a token with these bytes is one of R-KV's newline tokens: one or two line ends, after a full stop, a closing
/// parenthesis, or nothing. In a trace the recorded token stands for the argmax that the code looks at.
bool ends_line(std::string_view token_bytes);

}  // namespace kvwave::alloc
