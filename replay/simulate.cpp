#include "replay/simulate.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "replay/eviction_counts.h"
#include "replay/simulate_all.h"

namespace kvwave::replay {

namespace {

// counts = what the caches of one KV head of a destructive strategy still hold in each step.
void count_destructive(std::span<const std::int32_t> evicted_at, std::uint32_t n_caches, std::uint32_t n_prompt,
                       std::span<std::uint32_t> counts) {
  std::vector<std::uint32_t> dropped(counts.size() + 1);
  add_eviction_counts(evicted_at, dropped);  // of all of them: a step is a step
  std::copy_n(dropped.begin(), counts.size(), counts.begin());
  count_what_is_left(n_caches, n_prompt, counts);
}

// counts[s] += entries of the pages that a cache's line of step s names.
void add_pages(std::span<const std::uint32_t> visible, std::uint32_t page, const Sequence& sequence,
               std::span<std::uint32_t> counts) {
  const std::size_t line_words = visible.size() / counts.size();
  for (std::size_t s = 0; s < counts.size(); ++s) {
    const std::span<const std::uint32_t> line = visible.subspan(s * line_words, line_words);
    std::uint32_t pages = 0;
    for (const std::uint32_t word : line) pages += static_cast<std::uint32_t>(std::popcount(word));
    const auto length = static_cast<std::uint32_t>(sequence.n_prompt + s + 1);
    const std::uint32_t last = (length - 1) / page;
    const bool partial = (line[last / 32] >> last % 32 & 1U) != 0;
    counts[s] += pages * page - (partial ? (last + 1) * page - length : 0);
  }
}

}  // namespace

std::size_t LayerResidency::line_words(const Sequence& sequence) const {
  return ((std::size_t{sequence.n_positions} + page - 1) / page + 31) / 32;
}

std::vector<std::int32_t> LayerResidency::head_budgets(const Sequence& sequence) const {
  const std::size_t per_head = caches_per_kv_head(sequence);
  std::vector<std::int32_t> mean(budget.size() / per_head);
  for (std::size_t i = 0; i < mean.size(); ++i) {
    std::int64_t sum = 0;
    for (std::size_t c = 0; c < per_head; ++c) sum += budget[i * per_head + c];
    mean[i] = static_cast<std::int32_t>(sum / static_cast<std::int64_t>(per_head));
  }
  return mean;
}

std::vector<std::uint32_t> LayerResidency::resident_counts(const Sequence& sequence) const {
  const std::size_t n_steps = sequence.n_steps();
  std::vector<std::uint32_t> counts(sequence.n_kv_heads * n_steps);
  const std::uint32_t per_head = caches_per_kv_head(sequence);
  const std::size_t positions = std::size_t{per_head} * sequence.n_positions;
  const std::size_t words = page == 0 ? 0 : n_steps * line_words(sequence);
  for (std::size_t h = 0; h < sequence.n_kv_heads; ++h) {
    const std::span<std::uint32_t> of_head = std::span(counts).subspan(h * n_steps, n_steps);
    if (page == 0) {
      count_destructive(std::span(evicted_at).subspan(h * positions, positions), per_head, sequence.n_prompt, of_head);
      continue;
    }
    for (std::size_t cache = h * per_head; cache < (h + 1) * per_head; ++cache) {
      add_pages(std::span(visible).subspan(cache * words, words), page, sequence, of_head);
    }
  }
  return counts;
}

std::vector<std::uint32_t> LayerResidency::held_counts(const Sequence& sequence, alloc::StrategyKind kind) const {
  if (page == 0 || kind == alloc::StrategyKind::offload) return resident_counts(sequence);
  std::vector<std::uint32_t> counts;
  for (std::uint32_t h = 0; h < sequence.n_kv_heads; ++h) {
    for (std::uint32_t s = 0; s < sequence.n_steps(); ++s) counts.push_back(sequence.n_prompt + s + 1);
  }
  return counts;
}

std::vector<std::uint32_t> refresh_positions(const alloc::RefreshRule& rule, const Sequence& sequence) {
  const bool once = rule.trigger == alloc::Trigger::after_prompt;
  std::vector<std::uint32_t> positions;
  if ((once || rule.prompt == alloc::PromptRule::cut) && sequence.n_prompt > 0) {
    positions.push_back(sequence.n_prompt - 1);
  }
  if (once) return positions;
  if (rule.trigger == alloc::Trigger::newline) {
    for (const std::uint32_t p : sequence.marks->line_end) {
      if (!rule.until_think_end || p < sequence.marks->think_end) positions.push_back(p);
    }
    return positions;
  }
  for (std::uint32_t p = sequence.n_prompt; p < sequence.n_positions; ++p) {
    const std::uint32_t decoded = p + 1 - sequence.n_prompt;
    bool due = true;  // every_step
    if (rule.trigger == alloc::Trigger::position_multiple) {
      due = p % rule.buffer == 0;
    } else if (rule.trigger != alloc::Trigger::every_step) {
      due = decoded % rule.buffer == 0;
    }
    if (due) positions.push_back(p);
  }
  return positions;
}

LayerResidency full_residency(const Sequence& sequence) {
  LayerResidency full;
  full.n_caches = sequence.n_kv_heads;
  full.evicted_at.assign(std::size_t{sequence.n_kv_heads} * sequence.n_positions, kNever);
  return full;
}

LayerResidency simulate_layer(const Simulation& simulation, const Sequence& sequence, std::uint32_t layer,
                              const StatisticsSource& source, std::uint64_t trace_key, StatisticsScratch& scratch) {
  kernels::ThreadPool pool(1);
  std::vector<StatisticsScratch> one(1);
  std::swap(one.front(), scratch);
  std::vector<LayerResidency> found =
      simulate_all(std::span(&simulation, 1), sequence, layer, source, trace_key, {}, pool, one);
  std::swap(one.front(), scratch);
  return std::move(found.front());
}

}  // namespace kvwave::replay
