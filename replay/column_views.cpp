#include "replay/column_views.h"

#include <algorithm>

#include "kernels/retained_mass.h"

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

}  // namespace

ColumnViews::ColumnViews(const Sequence& sequence, const Sweep& sweep, std::span<const LayerResidency> residency,
                         kernels::ThreadPool& pool)
    : counts(residency.size()), heads(sequence.n_kv_heads) {
  pool.parallel_for(counts.size(),
                    [&](std::size_t i, unsigned) { counts[i] = residency[i].resident_counts(sequence); });
  const Kinds kinds = kinds_of(residency, sequence);
  pool.parallel_for(heads.size(), [&](std::size_t h, unsigned) {
    heads[h].n_simulations = sweep.n_simulations();
    add_blocks(kinds.seldom, residency, sequence, h, ColumnBlock::kAllHeads, heads[h]);
    add_blocks(kinds.often, residency, sequence, h, ColumnBlock::kAllHeads, heads[h]);
    for (std::uint32_t g = 0; g < sequence.group(); ++g) {
      add_blocks(kinds.per_q_head, residency, sequence, h, g, heads[h]);
    }
    for (const std::uint32_t ceiling : sweep.ceilings) {
      const std::uint32_t followed = sweep.configurations[ceiling].simulations.front();
      heads[h].ceiling_counts.push_back(counts[followed].data() + h * sequence.n_steps());
    }
  });
}

}  // namespace kvwave::replay
