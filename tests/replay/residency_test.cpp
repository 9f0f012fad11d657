// What follows from evicted_at alone: visibility words, lists of seen positions and turnover, against plain counting.
#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "replay/packed_residency.h"
#include "replay/seen_positions.h"
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

TEST(Turnover, agrees_with_counting_sets) {
  const unsigned seed = 62;
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const Sequence sequence{1, 1, 1, 4, kPositions, kPrompt};
  for (int repeat = 0; repeat < 20; ++repeat) {
    const std::vector<std::int32_t> evicted_at = random_evictions(random);
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
    const Turnover found = head_turnover(evicted_at, sequence);
    EXPECT_NEAR(found.churn, churn / n_churn, 1e-6);
    EXPECT_NEAR(found.jaccard, jaccard / n_jaccard, 1e-6);
  }
}

TEST(Turnover, is_undefined_without_evictions) {
  const Turnover found =
      head_turnover(std::vector<std::int32_t>(kPositions, kNever), {1, 1, 1, 4, kPositions, kPrompt});
  EXPECT_TRUE(std::isnan(found.churn));
  EXPECT_TRUE(std::isnan(found.jaccard));
}

}  // namespace
}  // namespace kvwave::replay
