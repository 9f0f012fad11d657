// What a run says it takes: how that follows a trace's length.
#include "replay/memory_bound.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace kvwave::replay {
namespace {

constexpr std::uint32_t kBoundPrompt = 64;

Sequence sequence_of_steps(std::uint32_t n_steps) {
  Sequence sequence;
  sequence.n_layers = 30;
  sequence.n_q_heads = 9;
  sequence.n_kv_heads = 3;
  sequence.head_dim = 64;
  sequence.n_prompt = kBoundPrompt;
  sequence.n_positions = kBoundPrompt + n_steps;
  return sequence;
}

// 64 configurations that keep their details.
MemoryBound bound_of(std::uint32_t n_steps, const std::vector<std::string>& strategies, bool stored_rows) {
  SweepRequest request;
  request.controls = false;
  for (const std::string& text : strategies) request.strategies.push_back(alloc::Strategy::parse(text));
  for (std::uint32_t i = 0; i < 64 / strategies.size(); ++i) request.budgets.push_back(64 + 16 * i);
  const Sequence sequence = sequence_of_steps(n_steps);
  ReplayOptions options;
  options.metrics = {.error = false, .recall = false};
  options.keep_details = true;
  const Sweep sweep = build_sweep(request, sequence, std::vector<double>(sequence.n_layers, 1.0));
  return memory_bound(sequence, sweep, options, stored_rows);
}

std::uint64_t table_bytes(std::uint32_t n_steps) {
  const Sequence sequence = sequence_of_steps(n_steps);
  return std::uint64_t{64} * sequence.n_layers * sequence.n_kv_heads * sequence.n_positions * sizeof(std::int32_t);
}

TEST(MemoryBound, of_a_trace_ten_times_as_long_grows_by_less_than_one_and_a_half_eviction_tables) {
  const std::vector<std::string> strategies = {"uniform/rkv", "uniform/snapkv", "pyramid/rkv", "uniform/streaming"};
  const std::uint64_t more = bound_of(6000, strategies, false).total(2) - bound_of(600, strategies, false).total(2);
  EXPECT_LT(2 * more, 3 * (table_bytes(6000) - table_bytes(600)));
}

TEST(MemoryBound, holds_what_is_kept_of_all_layers_in_half_an_eviction_table_beside_one_layer) {
  const std::uint64_t evictions = bound_of(6000, {"uniform/rkv"}, false).evictions;
  EXPECT_GE(2 * evictions, table_bytes(6000));
  EXPECT_LT(evictions, table_bytes(6000) * 2 / 3);
}

TEST(MemoryBound, of_stored_rows_has_the_residencies_of_all_layers_and_no_queries) {
  const MemoryBound stored = bound_of(6000, {"uniform/streaming"}, true);
  EXPECT_EQ(stored.layer, 0U);
  EXPECT_GT(stored.evictions, 3 * table_bytes(6000)) << "tables, and events in the order of time";
}

}  // namespace
}  // namespace kvwave::replay
