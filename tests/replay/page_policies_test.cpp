// Policies that choose pages in every step, against literal fp64 selections on random traces.
#include <algorithm>
#include <numeric>
#include <set>

#include <gtest/gtest.h>

#include "alloc/error.h"
#include "tests/replay/literal_steps.h"
#include "tests/replay/step_trace.h"

namespace kvwave::replay {
namespace {

// Pages that a literal Quest reads in a step.
std::set<std::uint32_t> literal_quest(const SyntheticTrace& trace, std::uint32_t layer, std::uint32_t q_head,
                                      std::uint32_t position, std::uint32_t page, std::uint32_t budget, bool last) {
  const std::uint32_t n_pages = position / page + 1;
  std::vector<double> score(n_pages, 0.0);
  const auto query = trace.q_at(position, layer, q_head);
  for (std::uint32_t p = 0; p < n_pages; ++p) {
    for (std::size_t c = 0; c < query.size(); ++c) {
      double low = 1e30, high = -1e30;
      for (std::uint32_t i = p * page; i <= std::min(position, (p + 1) * page - 1); ++i) {
        low = std::min<double>(low, trace.k_at(i, layer, q_head / kTraceGroup)[c]);
        high = std::max<double>(high, trace.k_at(i, layer, q_head / kTraceGroup)[c]);
      }
      score[p] += std::max(query[c] * low, query[c] * high);
    }
  }
  if (last) score.back() = 1e30;
  std::vector<std::uint32_t> order(n_pages);
  std::iota(order.begin(), order.end(), 0U);
  std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) { return score[a] > score[b]; });
  order.resize(std::min<std::size_t>(n_pages, std::max(3U, budget / page)));
  return {order.begin(), order.end()};
}

TEST(SimulateQuest, reads_the_pages_of_a_literal_selection) {
  const SyntheticTrace trace = random_step_trace(42);
  const Sequence sequence = sequence_of(trace);
  for (const bool kernel : {false, true}) {
    const LayerResidency found =
        simulate_steps(std::string("uniform/quest:page=4,dense=2") + (kernel ? ",form=kernel" : ""), 18, trace, 2);
    ASSERT_EQ(found.n_caches, sequence.n_q_heads);
    for (std::uint32_t q = 0; q < found.n_caches; ++q) {
      for (std::uint32_t step = 0; step < sequence.n_steps(); ++step) {
        const std::set<std::uint32_t> pages = literal_quest(trace, 2, q, kTracePrompt + step, 4, 18, kernel);
        const std::vector<bool> visible = visible_at(found, sequence, q, step);
        for (std::uint32_t i = 0; i < visible.size(); ++i) {
          ASSERT_EQ(visible[i], pages.contains(i / 4)) << "q " << q << " step " << step << " position " << i;
        }
      }
    }
  }
}

TEST(Trap, no_21_quest_frees_nothing_and_its_first_layers_read_everything) {
  const SyntheticTrace trace = random_step_trace(43);
  const Sequence sequence = sequence_of(trace);
  const LayerResidency dense = simulate_steps("uniform/quest:page=4", 16, trace, 1);
  const LayerResidency sparse = simulate_steps("uniform/quest:page=4", 16, trace, 2);
  EXPECT_EQ(sparse.held_counts(sequence, alloc::StrategyKind::selection).back(), kTracePositions);
  EXPECT_EQ(*std::min_element(sparse.evicted_at.begin(), sparse.evicted_at.end()), kNever);
  EXPECT_EQ(dense.resident_counts(sequence).back(), kTraceGroup * kTracePositions) << "bytes read, by each query head";
  EXPECT_LE(sparse.resident_counts(sequence).back(), kTraceGroup * 16U);
}

TEST(SimulateLru, fetches_what_it_wants_back_and_counts_both_directions) {
  const SyntheticTrace trace = random_step_trace(44);
  const Sequence sequence = sequence_of(trace);
  const LayerResidency found = simulate_steps("uniform/lru:page=4,wanted=6", 24, trace);
  for (std::uint32_t h = 0; h < kTraceKvHeads; ++h) {
    std::vector<int> touched(kTracePositions / 4 + 1, 0);
    std::set<std::uint32_t> resident = {0, 1, 2, 3, 4}, written;
    int clock = 0;
    for (std::uint32_t step = 0; step < sequence.n_steps(); ++step) {
      const std::uint32_t now = kTracePrompt + step;
      std::vector<double> row(now + 1, 0.0);
      for (const std::uint32_t q : heads_of(h)) {
        const std::vector<double> of_head = exact_row(trace, 0, q, now);
        for (std::size_t i = 0; i < row.size(); ++i) row[i] += of_head[i] / kTraceGroup;
      }
      std::uint32_t moved = 0;
      ++clock;
      const std::vector<bool> top = top_of_row(row, 6);
      std::set<std::uint32_t> wanted = {now / 4};
      for (std::uint32_t i = 0; i <= now; ++i) {
        if (top[i]) wanted.insert(i / 4);
      }
      for (const std::uint32_t page : wanted) {
        const bool away = page * 4 < now && !resident.contains(page);
        if (away) moved += std::min(4U, now + 1 - page * 4);
        resident.insert(page);
        touched[page] = clock;
      }
      const std::vector<bool> visible = visible_at(found, sequence, h, step);
      for (std::uint32_t i = 0; i <= now; ++i) {
        ASSERT_EQ(visible[i], resident.contains(i / 4)) << "head " << h << " step " << step << " position " << i;
      }
      while (resident.size() > 6) {
        const std::uint32_t oldest = *std::min_element(resident.begin(), resident.end(), [&](auto a, auto b) {
          return touched[a] != touched[b] ? touched[a] < touched[b] : a < b;
        });
        resident.erase(oldest);
        if (written.insert(oldest).second) moved += 4;
      }
      ASSERT_EQ(found.moved[h * sequence.n_steps() + step], moved) << "head " << h << " step " << step;
    }
  }
}

TEST(Trap, no_26_a_destroyed_page_stays_gone_where_an_offloaded_one_comes_back) {
  const SyntheticTrace trace = random_step_trace(45);
  const Sequence sequence = sequence_of(trace);
  const LayerResidency offload = simulate_steps("uniform/lru:page=4,wanted=6", 16, trace);
  const LayerResidency gone = simulate_steps("uniform/lru:page=4,wanted=6,form=destroy", 16, trace);
  EXPECT_EQ(gone.page, 0U);
  EXPECT_TRUE(gone.moved.empty());
  const auto returns = [&](const LayerResidency& residency) {
    int n = 0;
    for (std::uint32_t step = 1; step < sequence.n_steps(); ++step) {
      const std::vector<bool> before = visible_at(residency, sequence, 0, step - 1);
      const std::vector<bool> after = visible_at(residency, sequence, 0, step);
      for (std::size_t i = 0; i < before.size(); ++i) n += !before[i] && after[i] ? 1 : 0;
    }
    return n;
  };
  EXPECT_GT(returns(offload), 0);
  EXPECT_EQ(returns(gone), 0);
}

// [step] positions that a query head sees under H2O's mask, written out from the published code.
std::vector<std::set<std::uint32_t>> literal_mask(const SyntheticTrace& trace, std::uint32_t q_head,
                                                  std::uint32_t heavy, std::uint32_t newest) {
  std::vector<double> sum(kTracePositions, 0.0);
  std::set<std::uint32_t> seen;
  std::vector<std::set<std::uint32_t>> steps;
  for (std::uint32_t position = 0; position < kTracePositions; ++position) {
    if (position < kTracePrompt) {
      seen.insert(position);  // the prompt's forward sees everything
    } else {
      steps.push_back(seen);
    }
    const std::vector<std::uint32_t> slots(seen.begin(), seen.end());
    const std::vector<double> row = literal_row(trace, 0, q_head, position, slots);
    for (std::size_t j = 0; j < slots.size(); ++j) sum[slots[j]] += row[j];
    if (position + 1 < kTracePrompt) continue;
    const std::uint32_t n = position + 1;
    if (n <= heavy + newest) {
      seen.insert(n);
      continue;
    }
    std::vector<std::uint32_t> order(n - newest);
    std::iota(order.begin(), order.end(), 0U);
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return sum[a] > sum[b]; });
    seen = {order.begin(), order.begin() + heavy};
    for (std::uint32_t j = 0; j < n - newest; ++j) sum[j] = seen.contains(j) ? sum[j] : 0.0;
    for (std::uint32_t j = n + 1 - newest; j <= n; ++j) seen.insert(j);
  }
  return steps;
}

void expect_masks(const LayerResidency& found, const SyntheticTrace& trace, std::uint32_t heavy, std::uint32_t newest) {
  const Sequence sequence = sequence_of(trace);
  ASSERT_EQ(found.n_caches, sequence.n_q_heads);
  for (std::uint32_t q = 0; q < found.n_caches; ++q) {
    const std::vector<std::set<std::uint32_t>> expected = literal_mask(trace, q, heavy, newest);
    for (std::uint32_t step = 0; step < sequence.n_steps(); ++step) {
      const std::vector<bool> visible = visible_at(found, sequence, q, step);
      for (std::uint32_t i = 0; i < visible.size(); ++i) {
        ASSERT_EQ(visible[i], expected[step].contains(i)) << "q " << q << " step " << step << " position " << i;
      }
    }
  }
}

TEST(SimulateH2oMask, sees_what_the_published_code_masks_in) {
  for (const std::uint64_t seed : {46U, 47U}) {
    SCOPED_TRACE(seed);
    const SyntheticTrace trace = random_step_trace(seed);
    expect_masks(simulate_steps("uniform/h2o:form=mask", 16, trace), trace, 8, 8);
    expect_masks(simulate_steps("uniform/h2o:form=mask,heavy=0.75", 50, trace), trace, 37, 13);
    // The code's own sizes: tenths of the prompt, whatever the budget.
    expect_masks(simulate_steps("uniform/h2o:form=mask,sizes=prompt", 64, trace), trace, 2, 2);
    expect_masks(simulate_steps("uniform/h2o:form=mask,sizes=prompt,heavy=0.4,newest=0.2", 64, trace), trace, 8, 4);
  }
}

TEST(SimulateH2oMask, frees_nothing_and_hides_one_position_for_a_step) {
  const SyntheticTrace trace = random_step_trace(48);
  const Sequence sequence = sequence_of(trace);
  const LayerResidency found = simulate_steps("uniform/h2o:form=mask,heavy=0.9", 40, trace);  // 36 heavy, 4 newest
  EXPECT_EQ(found.held_counts(sequence, alloc::StrategyKind::selection).back(), kTracePositions);
  int returns = 0;
  for (std::uint32_t step = 41 - kTracePrompt; step + 1 < sequence.n_steps(); ++step) {
    const std::uint32_t between =
        kTracePrompt + step - 4;  // n - r of the n = kTracePrompt + step positions before this step
    EXPECT_FALSE(visible_at(found, sequence, 0, step)[between]) << step;
    EXPECT_TRUE(visible_at(found, sequence, 0, step - 1)[between]) << step;
    returns += visible_at(found, sequence, 0, step + 1)[between] ? 1 : 0;
  }
  EXPECT_GT(returns, 0) << "it keeps its score and may come back as a heavy hitter";
}

TEST(SimulateH2oMask, keeps_protected_positions_inside_its_sizes) {
  const SyntheticTrace trace = random_step_trace(49);
  const Sequence sequence = sequence_of(trace);
  const LayerResidency found = simulate_steps("uniform/h2o:form=mask,protect=sinks:3+recent:8", 12, trace);
  for (std::uint32_t step = 0; step < sequence.n_steps(); ++step) {
    const std::vector<bool> visible = visible_at(found, sequence, 1, step);
    for (std::uint32_t i = 0; i < 3; ++i) EXPECT_TRUE(visible[i]) << step;
    for (std::uint32_t i = 0; i < 8; ++i) EXPECT_TRUE(visible[visible.size() - 1 - i]) << step;
    EXPECT_LE(std::count(visible.begin(), visible.end(), true), 12);
  }
  EXPECT_THROW(simulate_steps("uniform/h2o:form=mask,prompt=protect", 12, trace), alloc::BadBudget);
}

TEST(PagePolicies, refuse_protection_that_does_not_fit_into_their_pages) {
  const SyntheticTrace trace = random_step_trace(50);
  EXPECT_NO_THROW(simulate_steps("uniform/lru:page=4,protect=sinks:4+recent:4", 12, trace));
  EXPECT_THROW(simulate_steps("uniform/lru:page=4,protect=sinks:5+recent:4", 12, trace), alloc::BadBudget);
  EXPECT_NO_THROW(simulate_steps("uniform/quest:page=4,dense=0,protect=sinks:4+recent:4", 12, trace));
  EXPECT_THROW(simulate_steps("uniform/quest:page=4,dense=0,protect=sinks:4+recent:6", 12, trace), alloc::BadBudget);
}

}  // namespace
}  // namespace kvwave::replay
