// Strategies whose budgets or whose cut are fixed before decoding: tables over heads, and one cut of the prompt.
#include <algorithm>
#include <numeric>

#include <gtest/gtest.h>

#include "replay/simulate.h"
#include "tests/replay/brute_force.h"

namespace kvwave::replay {
namespace {

// Fits the tables of tests/data/tables: 4 layers, 2 KV heads, 4 query heads.
SyntheticTrace trace_with_prompt(std::uint32_t n_prompt) {
  SyntheticOptions options;
  options.shape = {.n_layers = 4, .n_q_heads = 4, .n_kv_heads = 2, .head_dim = 8};
  options.n_prompt = n_prompt;
  options.n_positions = 150;
  options.seed = 5;
  options.qkv_dtype = traces::FloatType::f32;
  return make_synthetic(options);
}

LayerResidency simulate_fixed(const std::string& strategy, std::uint32_t budget, const SyntheticTrace& trace,
                              std::uint32_t layer) {
  const Sequence sequence = sequence_of(trace);
  SweepRequest request;
  request.strategies = {alloc::Strategy::parse(strategy)};
  request.budgets = {budget};
  request.controls = false;
  const Sweep sweep = build_sweep(request, sequence, {});
  const LayerTensors tensors = layer_tensors(trace, layer);
  StatisticsScratch scratch;
  return simulate_layer(sweep.simulations.front(), sequence, layer, {&tensors, nullptr}, 7, scratch);
}

std::string table(const std::string& name) {
  return "table=" KVWAVE_TEST_DATA "/tables/" + name;
}

TEST(DuoAttentionReplay, full_heads_keep_everything_and_streaming_heads_sinks_and_recent) {
  const SyntheticTrace trace = trace_with_prompt(40);
  const std::string strategy =
      "duoattention:" + table("full_attention_heads.tsv") + "/streaming:sinks=2,buffer=10,window=4";
  // Gates rise with layer and head: the last four of eight heads are full.
  for (const std::uint32_t layer : {0U, 1U, 2U, 3U}) {
    const LayerResidency found = simulate_fixed(strategy, 16, trace, layer);
    const auto never = std::count(found.evicted_at.begin(), found.evicted_at.end(), kNever);
    if (layer >= 2) {
      EXPECT_EQ(never, 2 * 150) << "layer " << layer;
      continue;
    }
    for (std::size_t head = 0; head < 2; ++head) {
      const auto evicted_at = [&](std::size_t position) { return found.evicted_at[head * 150 + position]; };
      EXPECT_EQ(evicted_at(0), kNever);
      EXPECT_EQ(evicted_at(1), kNever);
      EXPECT_EQ(evicted_at(2), 0) << "dropped with the prompt";
      EXPECT_GT(evicted_at(39), 0);
      EXPECT_EQ(evicted_at(149), kNever);
    }
  }
}

TEST(HeadKvReplay, every_head_holds_its_own_budget_after_a_cut) {
  const SyntheticTrace trace = trace_with_prompt(140);
  const std::string strategy = "headkv:beta=1.5," + table("retrieval_heads.json") + "/snapkv:window=4";
  std::int64_t held = 0;
  std::int32_t before = 0;
  for (std::uint32_t layer = 0; layer < 4; ++layer) {
    const LayerResidency found = simulate_fixed(strategy, 32, trace, layer);
    for (std::size_t head = 0; head < 2; ++head) {
      const auto first = found.evicted_at.begin() + static_cast<std::ptrdiff_t>(head * 150);
      const auto kept = std::count_if(first, first + 140, [](std::int32_t step) { return step > 0; });
      EXPECT_EQ(kept, found.budget[head]) << "layer " << layer << " head " << head;
      EXPECT_GE(found.budget[head], before) << "scores rise with layer and head";
      before = found.budget[head];
      held += kept;
    }
  }
  EXPECT_EQ(held, 32 * 8);
}

// SnapKV by its definition, from the full rows of the prompt's last queries.
std::vector<std::uint32_t> kept_by_definition(const SyntheticTrace& trace, std::uint32_t kv_head,
                                              std::uint32_t n_prompt, std::uint32_t window, std::uint32_t budget,
                                              std::size_t kernel) {
  std::vector<double> sum(n_prompt - window, 0.0);
  for (std::uint32_t position = n_prompt - window; position < n_prompt; ++position) {
    for (std::uint32_t q_head = kv_head * 2; q_head < kv_head * 2 + 2; ++q_head) {
      const std::vector<float> row = trace.row(position, 0, q_head);
      for (std::size_t j = 0; j < sum.size(); ++j) sum[j] += double{row[j]} / 2;
    }
  }
  std::vector<double> pooled(sum.size());
  for (std::size_t j = 0; j < sum.size(); ++j) {
    for (std::size_t i = j - std::min(j, kernel / 2); i < std::min(sum.size(), j + kernel / 2 + 1); ++i) {
      pooled[j] += sum[i] / static_cast<double>(kernel);
    }
  }
  std::vector<std::uint32_t> order(sum.size());
  std::iota(order.begin(), order.end(), 0U);
  std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) { return pooled[a] > pooled[b]; });
  order.resize(budget - window);
  for (std::uint32_t position = n_prompt - window; position < n_prompt; ++position) order.push_back(position);
  std::sort(order.begin(), order.end());
  return order;
}

TEST(SnapKvPrefillReplay, cuts_the_prompt_once_as_defined_and_nothing_after_it) {
  const SyntheticTrace trace = trace_with_prompt(90);
  const LayerResidency found =
      simulate_fixed("uniform/snapkv-prefill:granularity=kv_head,window=6,kernel=3", 24, trace, 0);
  for (std::uint32_t head = 0; head < 2; ++head) {
    std::vector<std::uint32_t> kept;
    for (std::uint32_t position = 0; position < 150; ++position) {
      const std::int32_t evicted_at = found.evicted_at[head * 150 + position];
      EXPECT_TRUE(evicted_at == 0 || evicted_at == kNever) << "position " << position;
      if (position >= 90) {
        EXPECT_EQ(evicted_at, kNever);
      } else if (evicted_at == kNever) {
        kept.push_back(position);
      }
    }
    EXPECT_EQ(kept, kept_by_definition(trace, head, 90, 6, 24, 3)) << "head " << head;
  }
}

TEST(SnapKvPrefillReplay, keeps_a_prompt_that_fits) {
  const LayerResidency found = simulate_fixed("uniform/snapkv-prefill:window=6", 64, trace_with_prompt(40), 0);
  EXPECT_EQ(std::count(found.evicted_at.begin(), found.evicted_at.end(), kNever),
            static_cast<std::ptrdiff_t>(found.evicted_at.size()));
}

TEST(KnormReplay, drops_the_longest_keys_of_the_prompt) {
  const SyntheticTrace trace = trace_with_prompt(90);
  const LayerTensors tensors = layer_tensors(trace, 0);
  const LayerResidency found = simulate_fixed("uniform/knorm:trigger=prompt", 24, trace, 0);
  const std::span<const float> keys = tensors.keys(1);
  double longest_kept = 0, shortest_dropped = 1e9;
  std::size_t dropped = 0;
  for (std::size_t position = 0; position < 90; ++position) {
    double square = 0;
    for (const float x : keys.subspan(position * 8, 8)) square += double{x} * x;
    if (found.evicted_at[150 + position] == 0) {
      shortest_dropped = std::min(shortest_dropped, square);
      ++dropped;
    } else {
      longest_kept = std::max(longest_kept, square);
    }
  }
  EXPECT_EQ(dropped, 90U - 24U);
  EXPECT_LE(longest_kept, shortest_dropped);
}

}  // namespace
}  // namespace kvwave::replay
