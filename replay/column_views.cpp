#include "replay/column_views.h"

#include <algorithm>

#include "kernels/retained_mass.h"
#include "replay/eviction_counts.h"

namespace kvwave::replay {

namespace {

// Columns that change in nearly every step would cut the rows of all others into pieces of one step.
constexpr std::uint32_t kOftenShare = 8;  // changes in more than one of so many steps

bool changes_often(const LayerResidency& residency, const Sequence& sequence) {
  if (residency.page > 0) return true;
  std::vector<bool> at(sequence.n_steps(), false);
  std::uint32_t n = 0;
  for (std::size_t i = 0; i < sequence.n_positions; ++i) {  // one cache stands for all
    const auto step = static_cast<std::size_t>(residency.evicted_at[i]);
    if (step >= at.size() || at[step]) continue;
    at[step] = true;
    ++n;
  }
  return n * kOftenShare > sequence.n_steps();
}

CacheResidency cache_of(const LayerResidency& residency, std::size_t cache, const Sequence& sequence) {
  CacheResidency view{.evicted_at = residency.evicted_at.data() + cache * sequence.n_positions};
  if (residency.page == 0) return view;
  view.page = residency.page;
  view.line_words = residency.line_words(sequence);
  view.visible = residency.visible.data() + cache * sequence.n_steps() * view.line_words;
  return view;
}

// Simulations that go together, by how often they change and by what reads their caches.
struct Kinds {
  std::vector<std::uint32_t> seldom, often, per_q_head;
};

Kinds kinds_of(std::span<const LayerResidency> residency, const Sequence& sequence) {
  Kinds kinds;
  for (std::uint32_t c = 0; c < residency.size(); ++c) {
    const bool own_caches = residency[c].n_caches > sequence.n_kv_heads;
    (own_caches ? kinds.per_q_head : changes_often(residency[c], sequence) ? kinds.often : kinds.seldom).push_back(c);
  }
  return kinds;
}

void add_blocks(std::span<const std::uint32_t> columns, std::span<const LayerResidency> residency,
                const Sequence& sequence, std::size_t kv_head, std::uint32_t head, HeadResidency& out) {
  for (std::size_t first = 0; first < columns.size(); first += kernels::kWordConfigs) {
    const auto part = columns.subspan(first, std::min<std::size_t>(kernels::kWordConfigs, columns.size() - first));
    std::vector<CacheResidency> caches;
    for (const std::uint32_t c : part) {
      const std::size_t cache = head == ColumnBlock::kAllHeads ? kv_head : kv_head * sequence.group() + head;
      caches.push_back(cache_of(residency[c], cache, sequence));
    }
    out.blocks.push_back({VisibilityTimeline(caches, sequence.n_positions, sequence.n_steps()),
                          std::vector<std::uint32_t>(part.begin(), part.end()), head});
  }
}

// What the block's columns drop in each step, added to counts, and their turnover.
void add_evictions(const ColumnBlock& block, const Sequence& sequence, std::size_t kv_head, ColumnViews& views) {
  const std::size_t first = kv_head * sequence.n_steps();
  std::vector<TurnoverSum> sums(block.columns.size(), TurnoverSum(sequence.n_prompt));
  block.timeline.for_each_eviction([&](std::uint32_t step, std::span<const VisibilityTimeline::Event> dropped) {
    const std::uint32_t column = dropped.front().column;
    const std::uint32_t before = sums[column].n_there_before();
    std::uint32_t n_old = 0;
    for (const VisibilityTimeline::Event& event : dropped) n_old += event.position < before ? 1 : 0;
    const auto n = static_cast<std::uint32_t>(dropped.size());
    sums[column].evict(step, n, n_old);
    views.counts[block.columns[column]][first + step] += n;
  });
  const auto n_caches = static_cast<float>(block.head == ColumnBlock::kAllHeads ? 1 : sequence.group());
  for (std::size_t c = 0; c < sums.size(); ++c) {
    const Turnover one = sums[c].mean();
    Turnover& mean = views.turnover[block.columns[c]][kv_head];
    mean.churn += one.churn / n_caches;
    mean.jaccard += one.jaccard / n_caches;
  }
}

}  // namespace

ColumnViews::ColumnViews(const Sequence& sequence, const Sweep& sweep, std::span<const LayerResidency> residency,
                         kernels::ThreadPool& pool)
    : counts(residency.size()),
      turnover(residency.size(), std::vector<Turnover>(sequence.n_kv_heads)),
      heads(sequence.n_kv_heads) {
  const std::size_t n_steps = sequence.n_steps();
  pool.parallel_for(counts.size(), [&](std::size_t i, unsigned) {
    if (residency[i].page > 0) {
      counts[i] = residency[i].resident_counts(sequence);
    } else {
      counts[i].assign(sequence.n_kv_heads * n_steps, 0);
    }
  });
  const Kinds kinds = kinds_of(residency, sequence);
  pool.parallel_for(heads.size(), [&](std::size_t h, unsigned) {
    heads[h].n_simulations = sweep.n_simulations();
    add_blocks(kinds.seldom, residency, sequence, h, ColumnBlock::kAllHeads, heads[h]);
    add_blocks(kinds.often, residency, sequence, h, ColumnBlock::kAllHeads, heads[h]);
    for (std::uint32_t g = 0; g < sequence.group(); ++g) {
      add_blocks(kinds.per_q_head, residency, sequence, h, g, heads[h]);
    }
    for (const ColumnBlock& block : heads[h].blocks) add_evictions(block, sequence, h, *this);
    for (std::size_t i = 0; i < counts.size(); ++i) {
      if (residency[i].page > 0) continue;
      count_what_is_left(residency[i].caches_per_kv_head(sequence), sequence.n_prompt,
                         std::span(counts[i]).subspan(h * n_steps, n_steps));
    }
    for (const std::uint32_t ceiling : sweep.ceilings) {
      const std::uint32_t followed = sweep.configurations[ceiling].simulations.front();
      heads[h].ceiling_counts.push_back(counts[followed].data() + h * n_steps);
    }
  });
}

}  // namespace kvwave::replay
