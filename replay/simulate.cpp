#include "replay/simulate.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

#include <fmt/format.h>

#include "alloc/error.h"

namespace kvwave::replay {

namespace {

class LayerSimulation {
 public:
  LayerSimulation(const Simulation& simulation, const Sequence& sequence, std::uint32_t layer,
                  const StatisticsSource& source, std::uint64_t trace_key, StatisticsScratch& scratch)
      : simulation_(simulation),
        sequence_(sequence),
        layer_(layer),
        source_(source),
        trace_key_(trace_key),
        scratch_(scratch),
        rule_(simulation.scorer->rule()),
        slots_(sequence.n_kv_heads),
        scores_(sequence.n_kv_heads),
        budget_(sequence.n_kv_heads) {
    result_.evicted_at.assign(std::size_t{sequence.n_kv_heads} * sequence.n_positions, kNever);
  }

  LayerResidency run() {
    alloc::divide_evenly(layer_budget(), budget_);
    record_budget(-1);
    std::uint32_t refresh_index = 0;
    for (const std::uint32_t position : refresh_positions(rule_, sequence_)) {
      append_through(position);
      const bool after_prompt = position + 1 == sequence_.n_prompt;
      refresh(position, after_prompt ? 0 : ++refresh_index);
    }
    return std::move(result_);
  }

 private:
  std::int32_t layer_budget() const { return simulation_.plan.budget[layer_]; }

  void append_through(std::uint32_t position) {
    for (; next_position_ <= position; ++next_position_) {
      for (std::vector<std::uint32_t>& slots : slots_) slots.push_back(next_position_);
    }
  }

  // Only changes are kept; the budgets after the prompt are always the first entry, whether they came from the even
  // division or from the cut after the prompt.
  void record_budget(std::int32_t step) {
    std::vector<std::int32_t>& history = result_.budget;
    const auto n_heads = static_cast<std::ptrdiff_t>(budget_.size());
    if (!result_.refresh_step.empty()) {
      if (std::equal(budget_.begin(), budget_.end(), history.end() - n_heads)) return;
      if (result_.refresh_step.back() == step) {
        std::copy(budget_.begin(), budget_.end(), history.end() - n_heads);
        return;
      }
    }
    result_.refresh_step.push_back(step);
    history.insert(history.end(), budget_.begin(), budget_.end());
  }

  // Nothing can be evicted while the layer holds less than its budget (R-KV's guard: n < B leaves the cache as it is,
  // n == B already runs and puts the slots into score order).
  void refresh(std::uint32_t position, std::uint32_t refresh_index) {
    const auto step = static_cast<std::int32_t>(position) - static_cast<std::int32_t>(sequence_.n_prompt);
    if (simulation_.allocator->needs_scores()) {
      std::size_t residents = 0;
      for (const std::vector<std::uint32_t>& slots : slots_) residents += slots.size();
      if (residents < static_cast<std::size_t>(layer_budget())) return;
      for (std::uint32_t h = 0; h < slots_.size(); ++h) score_head(h, position, refresh_index);
      share_layer_budget();
      record_budget(step);
    }
    for (std::uint32_t h = 0; h < slots_.size(); ++h) {
      if (slots_[h].size() < static_cast<std::size_t>(budget_[h])) continue;
      if (!simulation_.allocator->needs_scores()) score_head(h, position, refresh_index);
      keep_best(h, step + 1);
    }
  }

  void share_layer_budget() {
    std::vector<std::span<const float>> scores(scores_.begin(), scores_.end());
    std::vector<std::uint32_t> residents;
    for (const std::vector<std::uint32_t>& slots : slots_)
      residents.push_back(static_cast<std::uint32_t>(slots.size()));
    alloc::HeadPlanInput input;
    input.layer_budget = layer_budget();
    input.window = rule_.window;
    input.scores = scores;
    input.residents = residents;
    simulation_.allocator->head_budgets(input, budget_);
  }

  void score_head(std::uint32_t kv_head, std::uint32_t position, std::uint32_t refresh_index) {
    const std::vector<std::uint32_t>& slots = slots_[kv_head];
    const alloc::Needs needs = simulation_.scorer->needs();
    head_statistics(needs, rule_.window, kv_head, position, slots, source_, statistics_, scratch_);
    alloc::Residents residents;
    residents.trace_key = trace_key_;
    residents.layer = layer_;
    residents.kv_head = kv_head;
    residents.refresh = refresh_index;
    residents.position = slots;
    if (needs.importance) residents.importance = statistics_.importance;
    if (needs.redundancy) residents.redundancy = statistics_.redundancy;
    if (needs.future_mass) residents.future_mass = statistics_.future_mass;
    std::vector<float>& score = scores_[kv_head];
    score.resize(slots.size() - std::min<std::size_t>(slots.size(), rule_.window));
    simulation_.scorer->score(residents, score);
    if (rule_.prompt == alloc::PromptRule::protect) protect_prompt(kv_head);
  }

  // A protected position beats every other one; its own score would only order it among its like.
  void protect_prompt(std::uint32_t kv_head) {
    std::vector<float>& score = scores_[kv_head];
    for (std::size_t j = 0; j < score.size(); ++j) {
      if (slots_[kv_head][j] < sequence_.n_prompt) score[j] = std::numeric_limits<float>::max();
    }
  }

  void keep_best(std::uint32_t kv_head, std::int32_t evicted_at) {
    std::vector<std::uint32_t>& slots = slots_[kv_head];
    const std::vector<float>& score = scores_[kv_head];
    const auto n_kept = static_cast<std::uint32_t>(
        std::min<std::size_t>(score.size(), static_cast<std::size_t>(budget_[kv_head]) - rule_.window));
    check_protected(kv_head, n_kept);
    std::vector<std::uint32_t> kept = alloc::select_top(score, n_kept);
    if (rule_.order == alloc::SlotOrder::time) {
      std::sort(kept.begin(), kept.end(), [&](std::uint32_t a, std::uint32_t b) { return slots[a] < slots[b]; });
    }
    std::vector<bool> stays(score.size(), false);
    std::vector<std::uint32_t> survivors;
    for (const std::uint32_t slot : kept) {
      stays[slot] = true;
      survivors.push_back(slots[slot]);
    }
    std::int32_t* const evicted = result_.evicted_at.data() + std::size_t{kv_head} * sequence_.n_positions;
    for (std::size_t slot = 0; slot < score.size(); ++slot) {
      if (!stays[slot]) evicted[slots[slot]] = evicted_at;
    }
    survivors.insert(survivors.end(), slots.begin() + static_cast<std::ptrdiff_t>(score.size()), slots.end());
    slots = std::move(survivors);
  }

  void check_protected(std::uint32_t kv_head, std::uint32_t n_kept) const {
    if (rule_.prompt != alloc::PromptRule::protect) return;
    const std::vector<std::uint32_t>& slots = slots_[kv_head];
    const std::size_t n_candidates = scores_[kv_head].size();
    const auto n_protected = std::count_if(slots.begin(), slots.begin() + static_cast<std::ptrdiff_t>(n_candidates),
                                           [&](std::uint32_t p) { return p < sequence_.n_prompt; });
    if (n_protected > static_cast<std::ptrdiff_t>(n_kept)) {
      throw alloc::BadBudget(
          fmt::format("{} at budget {}: prompt=protect keeps {} prompt positions, but layer {} gave KV head {} only {} "
                      "entries with a window of {}",
                      simulation_.strategy.short_text(), simulation_.budget, sequence_.n_prompt, layer_, kv_head,
                      budget_[kv_head], rule_.window));
    }
  }

  const Simulation& simulation_;
  const Sequence& sequence_;
  std::uint32_t layer_;
  const StatisticsSource& source_;
  std::uint64_t trace_key_;
  StatisticsScratch& scratch_;
  alloc::RefreshRule rule_;
  std::vector<std::vector<std::uint32_t>> slots_;  // [n_kv_heads] resident positions in slot order
  std::vector<std::vector<float>> scores_;         // [n_kv_heads] of the candidates at this refresh
  std::vector<std::int32_t> budget_;               // [n_kv_heads] in force
  HeadStatistics statistics_;
  std::uint32_t next_position_ = 0;
  LayerResidency result_;
};

}  // namespace

std::vector<std::uint32_t> LayerResidency::resident_counts(const Sequence& sequence) const {
  const std::size_t n_steps = sequence.n_steps(), n_positions = sequence.n_positions;
  std::vector<std::uint32_t> counts(sequence.n_kv_heads * n_steps);
  std::vector<std::uint32_t> dropped(n_steps + 1);
  for (std::size_t h = 0; h < sequence.n_kv_heads; ++h) {
    std::fill(dropped.begin(), dropped.end(), 0U);
    for (std::size_t i = 0; i < n_positions; ++i) {
      const std::int32_t step = evicted_at[h * n_positions + i];
      if (step < static_cast<std::int32_t>(n_steps)) ++dropped[static_cast<std::size_t>(step)];
    }
    std::uint32_t gone = 0;
    for (std::size_t s = 0; s < n_steps; ++s) {
      gone += dropped[s];
      counts[h * n_steps + s] = static_cast<std::uint32_t>(sequence.n_prompt + s + 1) - gone;
    }
  }
  return counts;
}

std::vector<std::uint32_t> refresh_positions(const alloc::RefreshRule& rule, const Sequence& sequence) {
  std::vector<std::uint32_t> positions;
  if (rule.prompt == alloc::PromptRule::cut && sequence.n_prompt > 0) positions.push_back(sequence.n_prompt - 1);
  for (std::uint32_t p = sequence.n_prompt; p < sequence.n_positions; ++p) {
    if (p % rule.buffer == 0) positions.push_back(p);
  }
  return positions;
}

LayerResidency simulate_layer(const Simulation& simulation, const Sequence& sequence, std::uint32_t layer,
                              const StatisticsSource& source, std::uint64_t trace_key, StatisticsScratch& scratch) {
  if (simulation.is_full()) {
    LayerResidency full;
    full.evicted_at.assign(std::size_t{sequence.n_kv_heads} * sequence.n_positions, kNever);
    return full;
  }
  return LayerSimulation(simulation, sequence, layer, source, trace_key, scratch).run();
}

}  // namespace kvwave::replay
