// What follows from evicted_at alone: visibility words, lists of seen positions and turnover, against plain counting.
#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <set>
#include <span>
#include <vector>

#include <gtest/gtest.h>

#include "replay/column_views.h"
#include "replay/packed_residency.h"
#include "replay/seen_positions.h"
#include "replay/simulate.h"
#include "replay/turnover.h"
#include "replay/visibility.h"

namespace kvwave::replay {
namespace {

constexpr std::uint32_t kPositions = 90, kPrompt = 30, kSteps = kPositions - kPrompt;

// Evictions happen after their position exists; some with the prompt, some never, some after the end.
std::vector<std::int32_t> random_evictions(std::mt19937& random) {
  std::vector<std::int32_t> evicted_at(kPositions, kNever);
  for (std::uint32_t i = 0; i < kPositions; ++i) {
    const auto born = static_cast<std::int32_t>(i < kPrompt ? 0 : i - kPrompt + 1);
    if (random() % 3 != 0) evicted_at[i] = born + static_cast<std::int32_t>(random() % 8) * 8;
  }
  return evicted_at;
}

TEST(PackedSteps, give_back_exactly_what_was_packed_in_a_byte_while_few_steps_occur) {
  std::mt19937 random(63);
  for (const std::uint32_t n_values : {0U, 1U, 255U, 256U, 257U, 65'536U, 65'537U}) {
    for (const bool never : {false, true}) {
      std::vector<std::int32_t> steps;
      for (std::uint32_t i = 0; i < n_values; ++i) steps.push_back(static_cast<std::int32_t>(3 * i));
      if (never && !steps.empty()) steps.back() = kNever;
      std::shuffle(steps.begin(), steps.end(), random);
      for (std::uint32_t i = 0; i < n_values; ++i) steps.push_back(steps[random() % n_values]);
      const PackedSteps packed(steps);
      ASSERT_EQ(packed.unpacked(), steps) << n_values << " values, never " << never;
      const std::size_t bytes = n_values <= 256 ? 1 : n_values <= 65'536 ? 2 : 4;
      const std::size_t list = bytes < 4 ? std::size_t{n_values} * sizeof(std::int32_t) : 0;
      EXPECT_EQ(packed.bytes(), bytes * steps.size() + list) << n_values << " values, never " << never;
    }
  }
}

TEST(VisibilityWords, follow_pages_that_go_and_come_back_beside_evictions) {
  const unsigned seed = 62;
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  constexpr std::uint32_t kPage = 4;
  const std::size_t line = ((kPositions + kPage - 1) / kPage + 31) / 32;
  std::vector<std::uint32_t> visible(kSteps * line);
  for (std::uint32_t& word : visible) word = static_cast<std::uint32_t>(random());
  std::copy_n(visible.begin() + 7 * static_cast<std::ptrdiff_t>(line), line,
              visible.begin() + 8 * static_cast<std::ptrdiff_t>(line));
  const std::vector<std::int32_t> evicted_at = random_evictions(random);
  const std::vector<CacheResidency> columns = {
      {.evicted_at = nullptr, .page = kPage, .visible = visible.data(), .line_words = line},
      {.evicted_at = evicted_at.data()}};
  const VisibilityTimeline timeline(columns, kPositions, kSteps);
  VisibilityWords words;
  for (const std::uint32_t begin : {0U, 17U, 5U}) {
    words.start(timeline, begin);
    std::uint64_t generation = words.generation();
    for (std::uint32_t step = begin; step < kSteps; ++step) {
      words.advance(step);
      if (step == 8 && begin < 8 && std::count(evicted_at.begin(), evicted_at.end(), 8) == 0) {
        EXPECT_EQ(words.generation(), generation) << "nothing changed";
      }
      generation = words.generation();
      for (std::uint32_t i = 0; i < kPositions; ++i) {
        const std::uint32_t page = i / kPage;
        ASSERT_EQ(words.words()[i] & 1U, visible[step * line + page / 32] >> page % 32 & 1U) << step << ' ' << i;
        ASSERT_EQ(words.words()[i] >> 1U, static_cast<std::int32_t>(step) < evicted_at[i] ? 1U : 0U);
      }
    }
  }
}

TEST(VisibilityWords, walk_agrees_with_the_definition_of_visible) {
  const unsigned seed = 61;
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  for (const std::size_t n : {1U, 7U, 64U}) {
    std::vector<std::vector<std::int32_t>> all;
    std::vector<CacheResidency> columns;
    for (std::size_t c = 0; c < n; ++c) all.push_back(random_evictions(random));
    for (const auto& evicted_at : all) columns.push_back({.evicted_at = evicted_at.data()});
    const VisibilityTimeline timeline(columns, kPositions, kSteps);
    VisibilityWords words;
    SeenPositions seen;
    std::vector<std::uint32_t> list;
    for (const std::uint32_t begin : {0U, 17U, 5U}) {
      words.start(timeline, begin);
      for (std::uint32_t step = begin; step < kSteps; ++step) {
        const std::uint32_t next = words.next_change(kSteps);
        words.advance(step);
        const std::vector<std::uint64_t> before(words.words().begin(), words.words().end());
        for (std::uint32_t i = 0; i < kPositions; ++i) {
          for (std::size_t c = 0; c < n; ++c) {
            ASSERT_EQ(words.words()[i] >> c & 1U, static_cast<std::int32_t>(step) < all[c][i] ? 1U : 0U);
          }
        }
        EXPECT_LE(next, words.next_change(kSteps)) << "changes are announced before they happen";
        seen.update(words.words().first(kPrompt + step + 1), static_cast<std::uint32_t>(n), words.generation());
        const std::set<std::uint32_t> common(seen.common().begin(), seen.common().end());
        std::map<std::uint32_t, std::set<std::uint32_t>> node;
        node[SeenPositions::kCommon] = node[SeenPositions::kAnyone] = common;
        node[SeenPositions::kAnyone].insert(seen.some().begin(), seen.some().end());
        ASSERT_EQ(seen.steps().size(), n) << "one step per column";
        for (const SeenPositions::Step& taken : seen.steps()) {
          ASSERT_TRUE(node.contains(taken.parent)) << "a parent comes before its children";
          ASSERT_TRUE(seen.is_parent(taken.parent));
          std::set<std::uint32_t> sees = node[taken.parent];
          for (const std::uint32_t i : seen.added(taken)) ASSERT_TRUE(sees.insert(i).second);
          for (const std::uint32_t i : seen.removed(taken)) ASSERT_EQ(sees.erase(i), 1U);
          std::set<std::uint32_t> directly = common;
          seen.seen(taken.column, list);
          directly.insert(list.begin(), list.end());
          ASSERT_EQ(sees, directly);
          node[taken.column] = sees;
        }
        for (std::uint32_t c = 0; c < n; ++c) {
          std::set<std::uint32_t> expected;
          for (std::uint32_t i = 0; i <= kPrompt + step; ++i) {
            if (static_cast<std::int32_t>(step) < all[c][i]) expected.insert(i);
          }
          ASSERT_EQ(node[c], expected) << "column " << c << " step " << step;
          ASSERT_EQ(seen.hides(c), expected.size() <= kPrompt + step);
        }
      }
    }
  }
}

// By the definition, from sets of positions.
Turnover counted_turnover(std::span<const std::int32_t> evicted_at) {
  double churn = 0, jaccard = 0, n_churn = 0, n_jaccard = 0;
  std::set<std::uint32_t> left_before;
  bool any = false;
  for (std::int32_t s = 0; s < static_cast<std::int32_t>(kSteps); ++s) {
    std::set<std::uint32_t> held, left;
    for (std::uint32_t i = 0; i < kPrompt + static_cast<std::uint32_t>(s); ++i) {
      if (s - 1 < evicted_at[i]) held.insert(i);
      if (s < evicted_at[i]) left.insert(i);
    }
    if (s == 0) {
      for (std::uint32_t i = 0; i < kPrompt; ++i) held.insert(i);
    }
    if (left.size() == held.size()) continue;
    churn += static_cast<double>(held.size() - left.size()) / static_cast<double>(held.size());
    ++n_churn;
    if (any) {
      std::set<std::uint32_t> either = left_before;
      either.insert(left.begin(), left.end());
      const auto both = static_cast<double>(
          std::count_if(left.begin(), left.end(), [&](std::uint32_t i) { return left_before.contains(i); }));
      jaccard += both / static_cast<double>(either.size());
      ++n_jaccard;
    }
    left_before = left;
    any = true;
  }
  return {static_cast<float>(churn / n_churn), static_cast<float>(jaccard / n_jaccard)};
}

TEST(Turnover, agrees_with_counting_sets_for_caches_of_kv_heads_and_of_query_heads) {
  const unsigned seed = 62;
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const Sequence sequence{1, 4, 2, 4, kPositions, kPrompt};
  std::vector<LayerResidency> residency(70);  // more than fit into one word
  for (std::size_t i = 0; i < residency.size(); ++i) {
    residency[i].n_caches = i % 5 == 3 ? sequence.n_q_heads : sequence.n_kv_heads;
    for (std::uint32_t cache = 0; cache < residency[i].n_caches; ++cache) {
      const std::vector<std::int32_t> evicted_at = random_evictions(random);
      residency[i].evicted_at.insert(residency[i].evicted_at.end(), evicted_at.begin(), evicted_at.end());
    }
  }
  kernels::ThreadPool pool(2);
  const ColumnViews views(sequence, Sweep(), residency, pool);
  for (std::size_t i = 0; i < residency.size(); ++i) {
    EXPECT_EQ(views.counts[i], residency[i].resident_counts(sequence));
    const std::uint32_t n = residency[i].caches_per_kv_head(sequence);
    for (std::uint32_t h = 0; h < sequence.n_kv_heads; ++h) {
      const auto of_head =
          std::span(residency[i].evicted_at).subspan(std::size_t{h} * n * kPositions, std::size_t{n} * kPositions);
      for (std::uint32_t s = 0; s < kSteps; ++s) {
        std::uint32_t held = 0;
        for (std::size_t at = 0; at < of_head.size(); ++at) {
          held += at % kPositions <= kPrompt + s && static_cast<std::int32_t>(s) < of_head[at] ? 1 : 0;
        }
        ASSERT_EQ(views.counts[i][h * kSteps + s], held) << "simulation " << i << " KV head " << h << " step " << s;
      }
      float churn = 0, jaccard = 0;
      for (std::uint32_t cache = h * n; cache < (h + 1) * n; ++cache) {
        const Turnover one =
            counted_turnover(std::span(residency[i].evicted_at).subspan(std::size_t{cache} * kPositions, kPositions));
        churn += one.churn / static_cast<float>(n);
        jaccard += one.jaccard / static_cast<float>(n);
      }
      EXPECT_NEAR(views.turnover[i][h].churn, churn, 1e-6) << "simulation " << i << " KV head " << h;
      EXPECT_NEAR(views.turnover[i][h].jaccard, jaccard, 1e-6) << "simulation " << i << " KV head " << h;
    }
  }
}

TEST(Turnover, is_undefined_without_evictions) {
  const Sequence sequence{1, 1, 1, 4, kPositions, kPrompt};
  kernels::ThreadPool pool(1);
  const std::vector<LayerResidency> residency = {full_residency(sequence)};
  const Turnover found = ColumnViews(sequence, Sweep(), residency, pool).turnover[0][0];
  EXPECT_TRUE(std::isnan(found.churn));
  EXPECT_TRUE(std::isnan(found.jaccard));
}

}  // namespace
}  // namespace kvwave::replay
