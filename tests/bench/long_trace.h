// The content of a trace of any length and shape, made up row by row at the speed of the disk. Sizes, ranges and the
// certified bounds are those of a recorded trace; q and k have a sink and clustered keys, so that eviction has work to
// do. Stats and attention are drawn, not computed from q and k: `kvwave verify` rejects such a trace.
#pragma once

#include <cstdint>
#include <vector>

#include "tests/bench/noise_bank.h"
#include "traces/schema.h"
#include "traces/writer.h"

namespace kvwave::bench {

struct LongTraceOptions {
  traces::ModelShape shape{.n_layers = 32, .n_q_heads = 32, .n_kv_heads = 8, .head_dim = 128};
  std::uint32_t n_prompt = 64;
  std::uint32_t n_steps = 16384;
  traces::Levels levels{.tokens = true, .stats = true, .attention = false, .qkv = true};
  std::uint32_t entries_per_row = 24;  ///< stored probabilities of each (layer, q_head) at most
  std::uint64_t seed = 1;
};

class LongTrace {
 public:
  explicit LongTrace(const LongTraceOptions& options);

  const traces::TraceInfo& info() const { return info_; }
  std::uint32_t n_positions() const { return options_.n_prompt + options_.n_steps; }
  /// Fills an acquired row. Rows may be asked for in any order.
  void fill(std::uint32_t position, traces::TraceRow& row);

 private:
  void fill_stats(std::uint32_t position, traces::TraceRow& row) const;
  void fill_attention(std::uint32_t position, traces::TraceRow& row) const;
  void fill_vectors(std::uint32_t position, traces::TraceRow& row);
  std::uint64_t place(std::uint32_t kind, std::uint32_t position, std::uint32_t index) const;

  LongTraceOptions options_;
  traces::TraceInfo info_;
  NoiseBank query_, value_, centre_, spread_;
  std::vector<float> key_;
  std::vector<std::uint16_t> key_half_;
};

}  // namespace kvwave::bench
