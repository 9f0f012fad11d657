#include "replay/layer_simulation.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "alloc/error.h"

namespace kvwave::replay {

namespace {

// Budgets of all caches of a layer by even division. The one cache of a whole layer holds the same positions for each
// KV head.
std::vector<std::int32_t> even_budgets(std::int32_t layer_budget, alloc::Granularity granularity,
                                       const Sequence& sequence) {
  if (granularity == alloc::Granularity::layer) {
    return {layer_budget / static_cast<std::int32_t>(sequence.n_kv_heads)};
  }
  std::vector<std::int32_t> budget(n_caches(granularity, sequence));
  alloc::divide_evenly(layer_budget, budget);
  return budget;
}

}  // namespace

LayerSimulation::LayerSimulation(const Simulation& simulation, const Sequence& sequence, std::uint32_t layer,
                                 std::uint64_t trace_key)
    : LayerSimulation(simulation, sequence, layer, trace_key,
                      {0, n_caches(simulation.scorer->rule().granularity, sequence)}) {}

LayerSimulation::LayerSimulation(const Simulation& simulation, const Sequence& sequence, std::uint32_t layer,
                                 std::uint64_t trace_key, Caches caches)
    : simulation_(simulation),
      sequence_(sequence),
      layer_(layer),
      trace_key_(trace_key),
      rule_(simulation.scorer->rule()),
      needs_(simulation.scorer->needs()),
      caches_(caches),
      layer_budget_(simulation.plan.budget[layer]),
      slots_(caches.count),
      scores_(caches.count),
      budget_(caches.count) {
  result_.n_caches = caches.count;
  result_.evicted_at.assign(std::size_t{caches.count} * sequence.n_positions, kNever);
  divide_layer_budget();
  record_budget(-1);
  if (!needs_.rows) return;
  for (std::uint32_t c = 0; c < caches.count; ++c) {
    states_.push_back(simulation.scorer->make_state({.layer = layer,
                                                     .cache = caches.first + c,
                                                     .n_prompt = sequence.n_prompt,
                                                     .n_positions = sequence.n_positions,
                                                     .budget = budget_[c]}));
  }
}

void LayerSimulation::append(std::uint32_t position) {
  for (; next_position_ <= position; ++next_position_) {
    for (std::vector<std::uint32_t>& slots : slots_) slots.push_back(next_position_);
  }
}

void LayerSimulation::observe(std::uint32_t cache, std::uint32_t position, std::span<const float> row) {
  states_[cache - caches_.first]->observe({.position = position, .residents = slots(cache), .prob = row});
}

// Nothing can be evicted while a cache holds less than its budget. R-KV's guard runs at n == B too, which drops nothing
// but puts the slots into score order; the policies of other triggers act when something must go.
bool LayerSimulation::starts_refresh(std::size_t n_residents, std::int64_t budget, std::size_t n_caches) const {
  const auto n = static_cast<std::int64_t>(n_residents);
  if (rule_.trigger == alloc::Trigger::position_multiple || rule_.trigger == alloc::Trigger::newline) {
    return n >= budget;
  }
  if (rule_.trigger == alloc::Trigger::decoded_multiple) {
    return n >= budget + (after_prompt() ? 0 : static_cast<std::int64_t>(rule_.buffer * n_caches));
  }
  return n > budget;
}

std::vector<std::uint32_t> LayerSimulation::begin(std::uint32_t position) {
  append(position);
  position_ = position;
  if (!after_prompt()) ++refresh_index_;
  scored_.clear();
  const bool together = simulation_.shares_heads();
  std::size_t residents = 0;
  for (const std::vector<std::uint32_t>& slots : slots_) residents += slots.size();
  std::int64_t total = 0;
  for (const std::int32_t budget : budget_) total += budget;
  if (together && !starts_refresh(residents, total, caches_.count)) return {};
  for (std::uint32_t c = 0; c < caches_.count; ++c) {
    if (together || starts_refresh(slots_[c].size(), budget_[c], 1)) scored_.push_back(caches_.first + c);
  }
  return scored_;
}

std::vector<std::uint32_t> LayerSimulation::begin_all(std::uint32_t position) {
  append(position);
  position_ = position;
  if (!after_prompt()) ++refresh_index_;
  scored_.clear();
  for (std::uint32_t c = 0; c < caches_.count; ++c) scored_.push_back(caches_.first + c);
  return scored_;
}

void LayerSimulation::form_scores(std::span<const HeadStatistics> statistics) {
  for (std::size_t i = 0; i < scored_.size(); ++i) score_cache(scored_[i], statistics[i]);
}

std::vector<LayerSimulation::Selection> LayerSimulation::score(std::span<const HeadStatistics> statistics) {
  form_scores(statistics);
  return select(statistics);
}

void LayerSimulation::set_layer_budget(std::int32_t budget) {
  if (budget == layer_budget_) return;
  layer_budget_ = budget;
  divide_layer_budget();
  record_budget(step());
}

std::vector<LayerSimulation::Selection> LayerSimulation::select(std::span<const HeadStatistics> statistics) {
  if (simulation_.shares_heads() && !scored_.empty()) {
    share_layer_budget(statistics);
    record_budget(step());
  }
  std::vector<Selection> selections;
  for (const std::uint32_t cache : scored_) {
    const std::size_t n = slots(cache).size();
    const auto limit = static_cast<std::size_t>(budget(cache));
    const bool reorders = rule_.trigger == alloc::Trigger::position_multiple ||  // R-KV's guard, at n == B too
                          rule_.trigger == alloc::Trigger::decoded_multiple;
    if (reorders ? n < limit : n <= limit) continue;
    Selection selection;
    selection.cache = cache;
    selection.score = scores(cache);
    selection.n_kept = static_cast<std::uint32_t>(std::min<std::size_t>(scores(cache).size(), limit - rule_.window));
    check_protected(cache, selection.n_kept);
    selections.push_back(selection);
  }
  return selections;
}

void LayerSimulation::keep(std::span<const Selection> selections, std::span<const std::vector<std::uint32_t>> kept) {
  for (std::size_t i = 0; i < selections.size(); ++i) keep_best(selections[i].cache, kept[i]);
}

void LayerSimulation::score_cache(std::uint32_t cache, const HeadStatistics& statistics) {
  const std::span<const std::uint32_t> slots = this->slots(cache);
  alloc::Residents residents;
  residents.trace_key = trace_key_;
  residents.layer = layer_;
  residents.kv_head = cache;
  residents.refresh = after_prompt() ? 0 : refresh_index_;
  residents.now = position_;
  residents.n_prompt = sequence_.n_prompt;
  residents.budget = budget(cache);
  residents.position = slots;
  if (needs_.importance) residents.importance = statistics.importance;
  if (needs_.redundancy) residents.redundancy = statistics.redundancy;
  if (needs_.future_mass) residents.future_mass = statistics.future_mass;
  residents.keys = statistics.keys;
  residents.values = statistics.values;
  residents.queries = statistics.queries;
  residents.rope = statistics.rope;
  residents.window_rows = statistics.window_rows();
  std::vector<float>& score = scores_[cache - caches_.first];
  score.resize(slots.size() - std::min<std::size_t>(slots.size(), rule_.window));
  if (needs_.rows) {
    states_[cache - caches_.first]->score(residents, score);
  } else {
    simulation_.scorer->score(residents, score);
  }
  if (rule_.protects()) protect(cache);
}

void LayerSimulation::divide_layer_budget() {
  const std::vector<std::int32_t>& fixed = simulation_.plan.head_budget;
  if (!fixed.empty()) {
    const std::size_t n_all = fixed.size() / sequence_.n_layers;
    for (std::uint32_t c = 0; c < caches_.count; ++c) budget_[c] = fixed[layer_ * n_all + caches_.first + c];
    return;
  }
  const std::vector<std::int32_t> all = even_budgets(layer_budget_, rule_.granularity, sequence_);
  std::copy_n(all.begin() + caches_.first, caches_.count, budget_.begin());
}

void LayerSimulation::share_layer_budget(std::span<const HeadStatistics> statistics) {
  std::vector<std::span<const float>> scores(scores_.begin(), scores_.end()), future;
  std::vector<std::uint32_t> residents;
  for (const std::vector<std::uint32_t>& slots : slots_) residents.push_back(static_cast<std::uint32_t>(slots.size()));
  for (const HeadStatistics& of_cache : statistics) future.emplace_back(of_cache.future_mass);
  alloc::HeadPlanInput input;
  input.layer_budget = layer_budget_;
  input.window = rule_.window;
  input.layer = layer_;
  if (simulation_.allocator->needs_scores()) input.scores = scores;
  if (simulation_.allocator->needs_future_mass()) input.future_mass = future;
  input.residents = residents;
  simulation_.allocator->head_budgets(input, budget_);
}

// Only changes are kept; the budgets after the prompt are always the first entry, whether they came from the even
// division or from the cut after the prompt.
void LayerSimulation::record_budget(std::int32_t step) {
  std::vector<std::int32_t>& history = result_.budget;
  const auto n_heads = static_cast<std::ptrdiff_t>(budget_.size());
  if (!result_.refresh_step.empty()) {
    if (result_.refresh_step.back() == step) {
      std::copy(budget_.begin(), budget_.end(), history.end() - n_heads);
      return;
    }
    if (std::equal(budget_.begin(), budget_.end(), history.end() - n_heads)) return;
  }
  result_.refresh_step.push_back(step);
  history.insert(history.end(), budget_.begin(), budget_.end());
}

bool LayerSimulation::is_protected(std::uint32_t position) const {
  return (rule_.protects_prompt() && position < sequence_.n_prompt) || position < rule_.protection.sinks ||
         position + rule_.protection.recent > position_;
}

// A protected position beats every other one; its own score would only order it among its like.
void LayerSimulation::protect(std::uint32_t cache) {
  std::vector<float>& score = scores_[cache - caches_.first];
  const std::span<const std::uint32_t> slots = this->slots(cache);
  for (std::size_t j = 0; j < score.size(); ++j) {
    if (is_protected(slots[j])) score[j] = std::numeric_limits<float>::max();
  }
}

void LayerSimulation::check_protected(std::uint32_t cache, std::uint32_t n_kept) const {
  if (!rule_.protects()) return;
  const std::span<const std::uint32_t> candidates = slots(cache).first(scores(cache).size());
  const auto n_protected =
      std::count_if(candidates.begin(), candidates.end(), [&](std::uint32_t p) { return is_protected(p); });
  if (n_protected > static_cast<std::ptrdiff_t>(n_kept)) {
    throw alloc::BadBudget(
        fmt::format("{} at budget {}: {} positions are protected, but layer {} gave cache {} only {} entries with a "
                    "window of {}",
                    simulation_.strategy.short_text(), simulation_.budget, n_protected, layer_, cache,
                    budget_[cache - caches_.first], rule_.window));
  }
}

void LayerSimulation::keep_best(std::uint32_t cache, std::vector<std::uint32_t> kept) {
  std::vector<std::uint32_t>& slots = slots_[cache - caches_.first];
  const std::size_t n_candidates = scores(cache).size();
  if (rule_.order == alloc::SlotOrder::time) {
    std::sort(kept.begin(), kept.end(), [&](std::uint32_t a, std::uint32_t b) { return slots[a] < slots[b]; });
  }
  std::vector<bool> stays(n_candidates, false);
  std::vector<std::uint32_t> survivors;
  survivors.reserve(kept.size() + slots.size() - n_candidates);
  for (const std::uint32_t slot : kept) {
    stays[slot] = true;
    survivors.push_back(slots[slot]);
  }
  std::int32_t* const evicted = result_.evicted_at.data() + std::size_t{cache - caches_.first} * sequence_.n_positions;
  const bool before = rule_.cut == alloc::CutTime::before_attention;
  const std::int32_t first_hidden = std::max(0, before ? step() : step() + 1);
  for (std::size_t slot = 0; slot < n_candidates; ++slot) {
    if (!stays[slot]) evicted[slots[slot]] = first_hidden;
  }
  survivors.insert(survivors.end(), slots.begin() + static_cast<std::ptrdiff_t>(n_candidates), slots.end());
  slots = std::move(survivors);
}

// One set for a whole layer is what each of its KV heads holds.
LayerResidency LayerSimulation::take_result() {
  if (rule_.granularity != alloc::Granularity::layer) return std::move(result_);
  LayerResidency all;
  all.n_caches = sequence_.n_kv_heads;
  all.refresh_step = std::move(result_.refresh_step);
  for (std::uint32_t h = 0; h < sequence_.n_kv_heads; ++h) {
    all.evicted_at.insert(all.evicted_at.end(), result_.evicted_at.begin(), result_.evicted_at.end());
  }
  for (const std::int32_t budget : result_.budget) all.budget.insert(all.budget.end(), sequence_.n_kv_heads, budget);
  return all;
}

}  // namespace kvwave::replay
