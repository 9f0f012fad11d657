// How the demands of a layer's query heads become one number per row. The ReasonAlloc paper does not say; the mean is
// kvwave's reading, the others are there to see what hangs on it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kvwave::replay {

enum class HeadAverage {
  mean,      ///< over all query heads
  median,    ///< of all query heads; the mean of the middle two where their number is even
  max,       ///< the neediest query head of the layer
  group_max  ///< the neediest query head of each KV head, mean over KV heads: what a KV cache must hold
};

/// mean, median, max, group-max.
std::string_view to_string(HeadAverage average);
/// Whether `word` is one of them; sets `average`.
bool parse_head_average(std::string_view word, HeadAverage& average);

/// demand: [n_q_heads] of one row and layer, n_q_heads a multiple of `group`. scratch: reused memory.
double average_heads(HeadAverage average, std::span<const std::uint32_t> demand, std::uint32_t group,
                     std::vector<std::uint32_t>& scratch);

}  // namespace kvwave::replay
