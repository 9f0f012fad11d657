#include "replay/layer_simulation.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "alloc/error.h"

namespace kvwave::replay {

LayerSimulation::LayerSimulation(const Simulation& simulation, const Sequence& sequence, std::uint32_t layer,
                                 std::uint64_t trace_key)
    : simulation_(simulation),
      sequence_(sequence),
      layer_(layer),
      trace_key_(trace_key),
      rule_(simulation.scorer->rule()),
      slots_(sequence.n_kv_heads),
      scores_(sequence.n_kv_heads),
      budget_(sequence.n_kv_heads) {
  result_.evicted_at.assign(std::size_t{sequence.n_kv_heads} * sequence.n_positions, kNever);
  alloc::divide_evenly(layer_budget(), budget_);
  record_budget(-1);
}

// Nothing can be evicted while the layer holds less than its budget (R-KV's guard: n < B leaves the cache as it is,
// n == B already runs and puts the slots into score order).
std::vector<std::uint32_t> LayerSimulation::begin(std::uint32_t position) {
  for (; next_position_ <= position; ++next_position_) {
    for (std::vector<std::uint32_t>& slots : slots_) slots.push_back(next_position_);
  }
  position_ = position;
  const bool after_prompt = position + 1 == sequence_.n_prompt;
  if (!after_prompt) ++refresh_index_;
  scored_heads_.clear();
  const bool together = simulation_.allocator->needs_scores();
  std::size_t residents = 0;
  for (const std::vector<std::uint32_t>& slots : slots_) residents += slots.size();
  if (together && residents < static_cast<std::size_t>(layer_budget())) return {};
  for (std::uint32_t h = 0; h < slots_.size(); ++h) {
    if (together || slots_[h].size() >= static_cast<std::size_t>(budget_[h])) scored_heads_.push_back(h);
  }
  return scored_heads_;
}

std::vector<LayerSimulation::Selection> LayerSimulation::score(std::span<const HeadStatistics> statistics) {
  for (std::size_t i = 0; i < scored_heads_.size(); ++i) score_head(scored_heads_[i], statistics[i]);
  if (simulation_.allocator->needs_scores() && !scored_heads_.empty()) {
    share_layer_budget();
    record_budget(step());
  }
  std::vector<Selection> selections;
  for (const std::uint32_t h : scored_heads_) {
    if (slots_[h].size() < static_cast<std::size_t>(budget_[h])) continue;
    Selection selection;
    selection.kv_head = h;
    selection.score = scores_[h];
    selection.n_kept = static_cast<std::uint32_t>(
        std::min<std::size_t>(scores_[h].size(), static_cast<std::size_t>(budget_[h]) - rule_.window));
    check_protected(h, selection.n_kept);
    selections.push_back(selection);
  }
  return selections;
}

void LayerSimulation::keep(std::span<const Selection> selections, std::span<const std::vector<std::uint32_t>> kept) {
  for (std::size_t i = 0; i < selections.size(); ++i) keep_best(selections[i].kv_head, kept[i]);
}

void LayerSimulation::score_head(std::uint32_t kv_head, const HeadStatistics& statistics) {
  const std::vector<std::uint32_t>& slots = slots_[kv_head];
  const alloc::Needs needs = simulation_.scorer->needs();
  alloc::Residents residents;
  residents.trace_key = trace_key_;
  residents.layer = layer_;
  residents.kv_head = kv_head;
  residents.refresh = position_ + 1 == sequence_.n_prompt ? 0 : refresh_index_;
  residents.position = slots;
  if (needs.importance) residents.importance = statistics.importance;
  if (needs.redundancy) residents.redundancy = statistics.redundancy;
  if (needs.future_mass) residents.future_mass = statistics.future_mass;
  std::vector<float>& score = scores_[kv_head];
  score.resize(slots.size() - std::min<std::size_t>(slots.size(), rule_.window));
  simulation_.scorer->score(residents, score);
  if (rule_.prompt == alloc::PromptRule::protect) protect_prompt(kv_head);
}

void LayerSimulation::share_layer_budget() {
  std::vector<std::span<const float>> scores(scores_.begin(), scores_.end());
  std::vector<std::uint32_t> residents;
  for (const std::vector<std::uint32_t>& slots : slots_) residents.push_back(static_cast<std::uint32_t>(slots.size()));
  alloc::HeadPlanInput input;
  input.layer_budget = layer_budget();
  input.window = rule_.window;
  input.scores = scores;
  input.residents = residents;
  simulation_.allocator->head_budgets(input, budget_);
}

// Only changes are kept; the budgets after the prompt are always the first entry, whether they came from the even
// division or from the cut after the prompt.
void LayerSimulation::record_budget(std::int32_t step) {
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

// A protected position beats every other one; its own score would only order it among its like.
void LayerSimulation::protect_prompt(std::uint32_t kv_head) {
  std::vector<float>& score = scores_[kv_head];
  for (std::size_t j = 0; j < score.size(); ++j) {
    if (slots_[kv_head][j] < sequence_.n_prompt) score[j] = std::numeric_limits<float>::max();
  }
}

void LayerSimulation::check_protected(std::uint32_t kv_head, std::uint32_t n_kept) const {
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

void LayerSimulation::keep_best(std::uint32_t kv_head, std::vector<std::uint32_t> kept) {
  std::vector<std::uint32_t>& slots = slots_[kv_head];
  const std::size_t n_candidates = scores_[kv_head].size();
  if (rule_.order == alloc::SlotOrder::time) {
    std::sort(kept.begin(), kept.end(), [&](std::uint32_t a, std::uint32_t b) { return slots[a] < slots[b]; });
  }
  std::vector<bool> stays(n_candidates, false);
  std::vector<std::uint32_t> survivors;
  for (const std::uint32_t slot : kept) {
    stays[slot] = true;
    survivors.push_back(slots[slot]);
  }
  std::int32_t* const evicted = result_.evicted_at.data() + std::size_t{kv_head} * sequence_.n_positions;
  for (std::size_t slot = 0; slot < n_candidates; ++slot) {
    if (!stays[slot]) evicted[slots[slot]] = step() + 1;
  }
  survivors.insert(survivors.end(), slots.begin() + static_cast<std::ptrdiff_t>(n_candidates), slots.end());
  slots = std::move(survivors);
}

}  // namespace kvwave::replay
