// The comparison of a device's selections with the CPU's: what it counts, and what it lets pass.
#include "replay/selection_check.h"

#include <utility>

#include <gtest/gtest.h>

#include "alloc/allocator.h"
#include "tests/cuda_on_cpu/replay/random_layer.h"

namespace kvwave::replay {
namespace {

class SelectionCheckTest : public ::testing::Test {
 protected:
  using Change = void (*)(std::span<const float> score, std::vector<std::uint32_t>& kept);

  /// Goes through all refreshes with the CPU's own choice, changed at the one of `position`.
  SelectionCounts count(std::uint32_t changed_position, Change change) {
    const Sequence sequence = sequence_of(layer_.shape);
    const LayerTensors tensors(sequence, 0, layer_.q, layer_.k, layer_.v);
    SweepRequest request;
    request.strategies.push_back(alloc::Strategy::parse("uniform/rkv:buffer=16"));
    request.budgets = {20};
    request.controls = false;
    const Sweep sweep = build_sweep(request, sequence, {});
    const Simulation* simulation = nullptr;
    for (const Simulation& one : sweep.simulations) {
      if (!one.is_full()) simulation = &one;
    }
    LayerSimulation device(*simulation, sequence, 0, 1);
    const StatisticsSource source{&tensors, nullptr, nullptr};
    SelectionCheck check(*simulation, sequence, 0, 1, source);
    SelectionCounts counts;
    StatisticsScratch scratch;
    for (const std::uint32_t position : refresh_positions(simulation->scorer->rule(), sequence)) {
      const std::vector<std::uint32_t> caches = device.begin(position);
      std::vector<HeadStatistics> statistics(caches.size());
      for (std::size_t i = 0; i < caches.size(); ++i) {
        head_statistics({simulation->needs(), simulation->scorer->rule(), caches[i], position, device.slots(caches[i])},
                        source, statistics[i], scratch);
      }
      const std::vector<LayerSimulation::Selection> selections = device.score(statistics);
      std::vector<std::vector<std::uint32_t>> kept;
      for (const auto& one : selections) {
        kept.push_back(alloc::select_top(one.score, one.n_kept));
        if (position == changed_position && kept.size() == 1) change(one.score, kept.back());
      }
      check.compare(position, selections, kept, counts);
      device.keep(selections, kept);
    }
    return counts;
  }

  static Sequence sequence_of(const kernels::ReplayShape& shape) {
    Sequence sequence;
    sequence.n_layers = shape.n_layers;
    sequence.n_q_heads = shape.n_q_heads;
    sequence.n_kv_heads = shape.n_kv_heads;
    sequence.head_dim = shape.head_dim;
    sequence.n_positions = shape.n_positions;
    sequence.n_prompt = shape.n_prompt;
    return sequence;
  }

  const testing::RandomLayer layer_ = testing::random_layer(
      {.n_layers = 1, .n_q_heads = 4, .n_kv_heads = 2, .head_dim = 16, .n_positions = 120, .n_prompt = 30}, 5);
};

TEST_F(SelectionCheckTest, equal_choices_differ_nowhere) {
  const SelectionCounts counts = count(0, [](std::span<const float>, std::vector<std::uint32_t>&) {});
  EXPECT_GT(counts.n_selections, 4U);
  EXPECT_EQ(counts.n_different, 0U);
  EXPECT_EQ(counts.largest_gap, 0);
}

TEST_F(SelectionCheckTest, another_order_of_the_same_entries_is_the_same_choice) {
  const SelectionCounts counts =
      count(48, [](std::span<const float>, std::vector<std::uint32_t>& kept) { std::swap(kept.front(), kept.back()); });
  EXPECT_EQ(counts.n_different, 0U);
}

TEST_F(SelectionCheckTest, a_wrong_choice_is_found_once_and_later_refreshes_go_on_from_it) {
  const SelectionCounts counts = count(48, [](std::span<const float> score, std::vector<std::uint32_t>& kept) {
    kept.front() = alloc::select_top(score, static_cast<std::uint32_t>(score.size())).back();  // the worst for the best
  });
  EXPECT_EQ(counts.n_different, 1U);
  EXPECT_EQ(counts.n_beyond, 1U);
  EXPECT_GT(counts.largest_gap, kScoreBound);
}

TEST_F(SelectionCheckTest, too_few_entries_are_beyond_every_bound) {
  const SelectionCounts counts =
      count(48, [](std::span<const float>, std::vector<std::uint32_t>& kept) { kept.pop_back(); });
  EXPECT_GE(counts.n_beyond, 1U);
}

}  // namespace
}  // namespace kvwave::replay
