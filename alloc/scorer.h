// A scorer (eviction policy) says which residents one (layer, kv_head) keeps. Pure: statistics in, scores out.
//
// Contract. Replay simulates the cache of each (layer, kv_head) as an array of slots; new positions are appended at the
// end. At a refresh replay computes the statistics that needs() names over the residents, calls score(), and keeps the
// best (budget - window) of the candidates plus the window: the last `window` slots, which are never candidates. Ties
// go to the lower slot. Evicted positions never return.
#pragma once

#include <cstdint>
#include <span>

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

/// When a policy acts and what it never drops.
struct RefreshRule {
  std::uint32_t window = 8;    ///< newest slots, always kept, inside the budget
  std::uint32_t buffer = 128;  ///< refresh after the attention of each step whose position is a multiple of this
  PromptRule prompt = PromptRule::cut;
  SlotOrder order = SlotOrder::score;
};

/// Statistics a scorer asks for, with the parameters that shape them.
struct Needs {
  bool importance = false;   ///< R-KV's A: LOGIT-MAX over the group, PREFIX softmax, mean over window queries, max pool
  bool redundancy = false;   ///< R-KV's Red over all residents
  bool future_mass = false;  ///< clairvoyant: sum over all later rows of the full attn_prob, group mean
  std::uint32_t pool_kernel = 7;      ///< odd; 1 = no pooling
  double similarity_threshold = 0.5;  ///< cosine above which a neighbour counts as a near-duplicate
  bool round_bf16 = false;            ///< round A and Red to bfloat16 as the official code does
};

/// One (layer, kv_head) at a refresh. n residents, m = n - window candidates (slots 0 .. m-1).
struct Residents {
  std::uint64_t trace_key = 0;  ///< identifies the trace (first 8 bytes of its content hash), keys random streams
  std::uint32_t layer = 0, kv_head = 0;
  std::uint32_t refresh = 0;                ///< 0 = the cut after the prompt, then 1, 2, ... per trigger
  std::span<const std::uint32_t> position;  ///< [n] in slot order
  std::span<const float> importance;        ///< [m] when needed
  std::span<const float> redundancy;        ///< [m] when needed
  std::span<const float> future_mass;       ///< [m] when needed
};

class Scorer {
 public:
  virtual ~Scorer() = default;
  virtual RefreshRule rule() const = 0;
  virtual Needs needs() const = 0;
  /// score[j] for every candidate slot j in [0, m), higher = keep; finite. score.size() == m.
  virtual void score(const Residents& residents, std::span<float> score) const = 0;
};

}  // namespace kvwave::alloc
