// Turns what the decoder shows into rows of a trace. The costly part, statistics and selection of each attention row,
// runs on the decoder's own workers without locks: one (position, q_head) belongs to one worker at a time.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "capture/attention_tap.h"
#include "kernels/cuda_decoder.h"
#include "kernels/row_stats.h"
#include "traces/schema.h"
#include "traces/writer.h"

namespace kvwave::capture {

class Recorder final : public AttentionTap {
 public:
  /// `info` says shape, levels, rho, epsilon, types and first_row; `writer` was opened with it. Both must outlive the
  /// recorder. n_workers = size of the decoder's pool.
  Recorder(const traces::TraceInfo& info, traces::TraceWriter& writer, unsigned n_workers);

  /// The token of the next position, before it is fed; once per position, in order. logprob NaN for the prompt.
  void announce(std::int32_t token_id, float logprob, std::string_view token_bytes);

  /// How many positions from `first` on may be fed in one block, 1 .. `wanted`: rows of a block are in memory together,
  /// and a block does not straddle first_row.
  std::uint32_t block_limit(std::uint32_t first, std::uint32_t wanted) const;

  /// What a decoder on a device is asked to compute for this recorder.
  kernels::RecordOptions device_options() const;
  /// A position whose statistics and entries were computed on a device, in order; takes the place of the tap's calls.
  void record(const kernels::DecodeRecord& record);
  /// Whether record() would not wait for the writer.
  bool ready() const { return writer_.has_room(); }
  /// The device had to wait for its records to go: counted in the trace.
  void stalled() { writer_.count_stall(); }

  /// Entries of attention rows that were no probability, over the whole run.
  std::uint64_t nan_count() const { return nan_count_; }

  // AttentionTap
  void begin_block(std::uint32_t first, std::uint32_t count) override;
  bool wants_row(std::uint32_t position) const override;
  void attn_row(std::uint32_t layer, std::uint32_t q_head, std::uint32_t position, std::span<const float> attn_prob,
                unsigned worker) override;
  bool wants_qkv() const override { return info_.levels.qkv; }
  void qkv(std::uint32_t layer, std::uint32_t position, std::span<const std::byte> q, std::span<const std::byte> k,
           std::span<const std::byte> v) override;
  void end_block() override;

 private:
  /// Stored entries of one query head at one position, layer after layer. Joined layer-major at the end of the block.
  struct HeadEntries {
    std::vector<std::uint32_t> position;
    std::vector<std::byte> prob;
    std::uint32_t nan_count = 0;
  };
  struct Token {
    std::int32_t id;
    float logprob;
    std::string bytes;
  };
  void prepare(traces::TraceRow& row, std::uint32_t position);
  void join_entries(std::size_t in_block, traces::TraceRow& row);
  void submit(traces::TraceRow& row, std::unique_ptr<traces::TraceRow> lent);

  const traces::TraceInfo& info_;
  traces::TraceWriter& writer_;
  std::size_t heads_;  // (layer, q_head) pairs
  std::uint32_t first_ = 0, count_ = 0;
  std::vector<traces::TraceRow> rows_;           // of the block
  std::vector<HeadEntries> entries_;             // [position in block][q_head]
  std::vector<kernels::RowAnalyser> analysers_;  // [worker]
  std::deque<Token> announced_;
  std::uint64_t nan_count_ = 0;
};

}  // namespace kvwave::capture
