#include "replay/selection_check.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

#include "alloc/allocator.h"

namespace kvwave::replay {
namespace {

// The gap as SelectionCounts has it; infinite when the numbers of kept entries differ, 0 for equal sets.
double gap_between(std::span<const float> score, std::vector<std::uint32_t> cpu, std::vector<std::uint32_t> device) {
  if (cpu.size() != device.size()) return std::numeric_limits<double>::infinity();
  std::sort(cpu.begin(), cpu.end());
  std::sort(device.begin(), device.end());
  if (cpu == device) return 0;
  std::vector<std::uint32_t> only_cpu, only_device;
  std::set_difference(cpu.begin(), cpu.end(), device.begin(), device.end(), std::back_inserter(only_cpu));
  std::set_difference(device.begin(), device.end(), cpu.begin(), cpu.end(), std::back_inserter(only_device));
  double scale = 0, best = -INFINITY, worst = INFINITY;
  for (const float s : score) scale = std::max(scale, std::fabs(static_cast<double>(s)));
  for (const std::uint32_t slot : only_cpu) best = std::max(best, static_cast<double>(score[slot]));
  for (const std::uint32_t slot : only_device) worst = std::min(worst, static_cast<double>(score[slot]));
  // Equal scores are a difference too: the CPU keeps the lower slot.
  return std::max((best - worst) / std::max(scale, 1e-30), std::numeric_limits<double>::min());
}

}  // namespace

SelectionCheck::SelectionCheck(const Simulation& simulation, const Sequence& sequence, std::uint32_t layer,
                               std::uint64_t trace_key, const StatisticsSource& source)
    : state_(simulation, sequence, layer, trace_key), source_(source) {}

void SelectionCheck::compare(std::uint32_t position, std::span<const LayerSimulation::Selection> selections,
                             std::span<const std::vector<std::uint32_t>> kept, SelectionCounts& counts) {
  const alloc::RefreshRule rule = state_.simulation().scorer->rule();
  const std::vector<std::uint32_t> caches = state_.begin(position);
  std::vector<HeadStatistics> statistics(caches.size());
  for (std::size_t i = 0; i < caches.size(); ++i) {
    head_statistics({.needs = state_.simulation().needs(),
                     .rule = rule,
                     .cache = caches[i],
                     .position = position,
                     .slots = state_.slots(caches[i])},
                    source_, statistics[i], scratch_);
  }
  const std::vector<LayerSimulation::Selection> own = state_.score(statistics);
  for (std::size_t i = 0; i < selections.size(); ++i) {
    ++counts.n_selections;
    const bool same_cache = i < own.size() && own[i].cache == selections[i].cache;
    const double gap = same_cache ? gap_between(own[i].score, alloc::select_top(own[i].score, own[i].n_kept), kept[i])
                                  : std::numeric_limits<double>::infinity();
    if (gap == 0) continue;
    ++counts.n_different;
    if (gap > kScoreBound) ++counts.n_beyond;
    counts.largest_gap = std::max(counts.largest_gap, gap);
  }
  state_.keep(selections, kept);
}

}  // namespace kvwave::replay
