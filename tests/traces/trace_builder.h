// Traces of made-up numbers for tests: every row follows from (options, seed, position) alone, so that a reader's
// answer can be compared with a row made again, also in another process.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "traces/reader.h"
#include "traces/schema.h"
#include "traces/writer.h"

namespace kvwave::traces::testing {

struct MadeUp {
  ModelShape shape{.n_layers = 3, .n_q_heads = 4, .n_kv_heads = 2, .head_dim = 8};
  std::uint32_t n_prompt = 40;
  std::uint32_t n_positions = 100;
  Levels levels;
  FloatType qkv_dtype = FloatType::f16;
  FloatType attention_dtype = FloatType::f16;
  std::vector<double> rho = {0.5, 0.93};
  double kept_share = 0.3;  ///< of a row's positions, as stored attention entries
  std::uint64_t seed = 1;
};

TraceInfo made_up_info(const MadeUp& options);
/// Fills `row` with what position `position` of the trace holds.
void fill_row(const MadeUp& options, std::uint32_t position, TraceRow& row);
/// Writes positions 0 .. n_positions - 1 and finishes.
void write_trace(const std::filesystem::path& path, const MadeUp& options, const WriterOptions& writer = {});
/// "" when positions [begin, end) of the trace are what fill_row says, else the first difference in words.
std::string difference(const TraceReader& reader, const MadeUp& options, std::uint32_t begin, std::uint32_t end);

}  // namespace kvwave::traces::testing
