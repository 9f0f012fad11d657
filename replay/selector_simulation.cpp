#include "replay/selector_simulation.h"

#include <algorithm>

namespace kvwave::replay {

SelectorSimulation::SelectorSimulation(const Simulation& simulation, const Sequence& sequence, std::uint32_t layer,
                                       std::uint32_t cache, std::int32_t budget)
    : simulation_(simulation),
      sequence_(sequence),
      needs_(simulation.scorer->needs()),
      destructive_(simulation.scorer->kind() == alloc::StrategyKind::destructive),
      selector_(simulation.scorer->make_selector({.layer = layer,
                                                  .cache = cache,
                                                  .n_prompt = sequence.n_prompt,
                                                  .n_positions = sequence.n_positions,
                                                  .budget = budget})) {
  const bool per_q_head = simulation.scorer->rule().granularity == alloc::Granularity::q_head;
  heads_ = per_q_head ? RowHeads{cache, 1} : RowHeads{cache * sequence.group(), sequence.group()};
  kv_head_ = per_q_head ? cache / sequence.group() : cache;
  const std::uint32_t page = selector_->page();
  const std::size_t n_pages = (std::size_t{sequence.n_positions} + page - 1) / page;
  choice_.visible.assign(n_pages, false);
  result_.n_caches = 1;
  result_.evicted_at.assign(sequence.n_positions, kNever);
  result_.refresh_step = {-1};
  result_.budget = {budget};
  if (destructive_) return;
  result_.page = page;
  result_.visible.assign(sequence.n_steps() * result_.line_words(sequence), 0);
  if (simulation.scorer->kind() == alloc::StrategyKind::offload) result_.moved.assign(sequence.n_steps(), 0);
}

std::uint32_t SelectorSimulation::first_row() const {
  return sequence_.n_prompt - std::min(needs_.prompt_rows, sequence_.n_prompt);
}

void SelectorSimulation::form_row(std::uint32_t position, const FullRows& rows) {
  while (all_.size() <= position) all_.push_back(static_cast<std::uint32_t>(all_.size()));
  restricted_row(rows, heads_, position, std::span(all_).first(position + 1), needs_.reduction, row_);
}

void SelectorSimulation::step(std::uint32_t position, const LayerTensors& tensors, const FullRows* rows) {
  if (needs_.rows) form_row(position, *rows);
  if (position < sequence_.n_prompt) {
    selector_->observe_prompt(position, row_);
    return;
  }
  alloc::SelectorStep step;
  step.now = position;
  step.row = row_;
  if (needs_.keys) step.keys = tensors.key_rows(kv_head_, position + 1);
  if (needs_.queries) step.queries = tensors.query_rows(heads_.first, heads_.count, position + 1);
  choice_.moved = 0;
  selector_->select(step, choice_);
  record(position - sequence_.n_prompt);
}

void SelectorSimulation::record(std::uint32_t step) {
  if (!destructive_) {
    std::uint32_t* const line = result_.visible.data() + step * result_.line_words(sequence_);
    for (std::size_t page = 0; page < choice_.visible.size(); ++page) {
      if (choice_.visible[page]) line[page / 32] |= 1U << page % 32;
    }
    if (!result_.moved.empty()) result_.moved[step] = choice_.moved;
    return;
  }
  // Gone pages: those of the past that are not visible and were not gone before.
  const std::uint32_t page_size = selector_->page(), end = sequence_.n_prompt + step + 1;
  for (std::uint32_t first = 0; first < end; first += page_size) {
    if (choice_.visible[first / page_size] || result_.evicted_at[first] != kNever) continue;
    const std::uint32_t last = std::min(first + page_size, end);
    std::fill(result_.evicted_at.begin() + first, result_.evicted_at.begin() + last, static_cast<std::int32_t>(step));
  }
}

}  // namespace kvwave::replay
