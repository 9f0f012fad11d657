// Who holds which position when, for one configuration; and, once it has been looked for, whether what was dropped was
// needed later.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "viewer/model/figure_inputs.h"

namespace kvwave::viewer {

/// A dropped position counts as needed when some later row gives it more (contract: needed-after-eviction).
inline constexpr float kNeededProb = 0.01F;

/// A range of (layer, kv_head) cells.
struct HeadRange {
  std::uint32_t begin = 0, end = 0;  ///< layer * Hkv + kv_head
  std::uint32_t size() const { return end - begin; }
};

/// The heads that a scope of the view means.
HeadRange heads_of(const ViewState& view, const traces::ModelShape& shape);

struct EvictionMap {
  std::shared_ptr<const std::vector<std::int32_t>> evicted_at;  ///< [L, Hkv, P]; empty: nothing is ever dropped
  std::uint32_t n_positions = 0, n_prompt = 0;

  std::int32_t when(std::uint32_t head, std::uint32_t position) const {
    if (evicted_at->empty() || position >= n_positions) return replay::kNeverEvicted;
    return (*evicted_at)[std::size_t{head} * n_positions + position];
  }
  bool holds(std::uint32_t head, std::uint32_t position, std::uint32_t step) const {
    return static_cast<std::int64_t>(when(head, position)) > step;
  }
  /// How many heads of the range hold it at that step.
  std::uint32_t holders(HeadRange heads, std::uint32_t position, std::uint32_t step) const;
  /// The same for positions [begin, end), head by head as they lie in memory.
  std::vector<std::uint32_t> holders(HeadRange heads, std::uint32_t begin, std::uint32_t end, std::uint32_t step) const;
};

/// Of configuration `c` of the results. Throws as ResultsReader.
EvictionMap eviction_map(const OpenedResults& results, std::uint32_t c);

/// When dropped positions would have been needed: for each (layer, kv_head, position) the first step after its eviction
/// at which some row of the group gives it more than kNeededProb.
struct NeedIndex {
  std::vector<std::int32_t> first_step;  ///< [L * Hkv, P]; -1: never
  std::vector<float> peak;               ///< [L * Hkv, P] largest such attn_prob; 0: never
  std::uint32_t n_positions = 0;
  std::int32_t first(std::uint32_t head, std::uint32_t position) const {
    return first_step[std::size_t{head} * n_positions + position];
  }
  float most(std::uint32_t head, std::uint32_t position) const {
    return peak[std::size_t{head} * n_positions + position];
  }
};

/// One pass over all stored rows. Throws NotThere without level attention, Cancelled.
NeedIndex need_index(const FigureInputs& in, const EvictionMap& map);

}  // namespace kvwave::viewer
