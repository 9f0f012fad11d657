// How the query heads of one decode step are shared out to workers.
#pragma once

#include <cstdint>
#include <vector>

namespace kvwave::capture {

/// Query heads of one kv_head that one worker computes together, so that each key and value is read once for all.
struct AttentionUnit {
  std::uint32_t kv_head = 0;
  std::uint32_t first_q_head = 0;  ///< absolute
  std::uint32_t n_q_heads = 0;
};

/// Cuts n_q_heads into units: whole groups where they divide evenly among the workers, otherwise groups that an even
/// share would cut are cut there. Larger units first, so that workers that take them in order finish together. Every
/// q_head is in one unit; results do not depend on the cut.
std::vector<AttentionUnit> attention_units(std::uint32_t n_q_heads, std::uint32_t n_kv_heads, unsigned n_workers);

}  // namespace kvwave::capture
