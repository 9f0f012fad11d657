// How the rows of a trace become a demand per layer. The ReasonAlloc paper does not say; the first word of each is
// kvwave's reading, the others are there to see what hangs on it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kvwave::replay {

/// The demands of a layer's query heads in one row.
enum class HeadAverage {
  mean,      ///< over all query heads
  median,    ///< of all query heads; the mean of the middle two where their number is even
  max,       ///< the neediest query head of the layer
  group_max  ///< the neediest query head of each KV head, mean over KV heads: what a KV cache must hold
};

/// What the heads gave, over the decode steps of a trace.
enum class StepAverage {
  mean,
  median,  ///< the mean of the middle two where their number is even
  max
};

/// Which part of a row has the mass that is covered.
enum class RowPositions {
  all,       ///< the whole row, prompt and sinks included
  generated  ///< the generated positions alone: the share is of their mass. Needs level qkv
};

struct WaveReading {
  HeadAverage heads = HeadAverage::mean;
  StepAverage steps = StepAverage::mean;
  RowPositions positions = RowPositions::all;

  WaveReading() = default;
  WaveReading(HeadAverage over_heads) : heads(over_heads) {}  // NOLINT: a reading with the rest as usual
  WaveReading(HeadAverage over_heads, StepAverage over_steps, RowPositions of)
      : heads(over_heads), steps(over_steps), positions(of) {}
  bool operator==(const WaveReading&) const = default;
};

/// mean, median, max, group-max; mean, median, max; all, generated.
std::string_view to_string(HeadAverage average);
std::string_view to_string(StepAverage average);
std::string_view to_string(RowPositions positions);
/// Whether `word` is one of them; sets the second argument.
bool parse_word(std::string_view word, HeadAverage& average);
bool parse_word(std::string_view word, StepAverage& average);
bool parse_word(std::string_view word, RowPositions& positions);

/// The word of the heads, then what else is not as usual: "mean (median over steps) (generated positions)".
std::string to_string(const WaveReading& reading);

/// demand: [n_q_heads] of one row and layer, n_q_heads a multiple of `group`. scratch: reused memory.
double average_heads(HeadAverage average, std::span<const std::uint32_t> demand, std::uint32_t group,
                     std::vector<std::uint32_t>& scratch);

/// row_demand: [n_steps], at least one; reordered.
double average_steps(StepAverage average, std::span<double> row_demand);

}  // namespace kvwave::replay
