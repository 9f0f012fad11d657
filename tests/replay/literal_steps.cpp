#include "tests/replay/literal_steps.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "replay/sequence.h"

namespace kvwave::replay {

namespace {

std::vector<double> reduced_row(const SyntheticTrace& trace, std::uint32_t layer, const LiteralPolicy& policy,
                                std::uint32_t position, const std::vector<std::uint32_t>& slots) {
  std::vector<double> all(slots.size(), 0.0);
  for (const std::uint32_t head : policy.heads) {
    const std::vector<double> row = literal_row(trace, layer, head, position, slots);
    for (std::size_t j = 0; j < row.size(); ++j) {
      all[j] = policy.reduce == LiteralPolicy::Reduce::max ? std::max(all[j], row[j]) : all[j] + row[j];
    }
  }
  if (policy.reduce == LiteralPolicy::Reduce::mean) {
    for (double& value : all) value /= static_cast<double>(policy.heads.size());
  }
  return all;
}

}  // namespace

std::vector<double> literal_row(const SyntheticTrace& trace, std::uint32_t layer, std::uint32_t q_head,
                                std::uint32_t position, const std::vector<std::uint32_t>& slots) {
  const auto query = trace.q_at(position, layer, q_head);
  std::vector<double> row;
  for (const std::uint32_t slot : slots) {
    const auto key = trace.k_at(slot, layer, q_head / trace.info.shape.group());
    double dot = 0;
    for (std::size_t c = 0; c < key.size(); ++c) dot += static_cast<double>(query[c]) * static_cast<double>(key[c]);
    row.push_back(dot / std::sqrt(static_cast<double>(key.size())));
  }
  const double top = *std::max_element(row.begin(), row.end());
  double sum = 0;
  for (double& value : row) sum += value = std::exp(value - top);
  for (double& value : row) value /= sum;
  return row;
}

std::vector<std::int32_t> run_literal(const SyntheticTrace& trace, std::uint32_t layer, const LiteralPolicy& policy) {
  const std::uint32_t n_prompt = trace.info.n_prompt;
  std::vector<std::int32_t> evicted(trace.n_positions, kNever);
  std::vector<std::uint32_t> slots;
  for (std::uint32_t position = 0; position < trace.n_positions; ++position) {
    slots.push_back(position);
    if (position >= policy.first_row && policy.observe) {
      policy.observe(position, slots, reduced_row(trace, layer, policy, position, slots));
    }
    const bool prompt_end = position + 1 == n_prompt;
    const bool due = prompt_end ? policy.cuts_prompt : position >= n_prompt && policy.due(position - n_prompt);
    if (!due || slots.size() <= policy.budget) continue;
    const std::vector<std::uint32_t> candidates(slots.begin(), slots.end() - policy.window);
    const std::vector<std::uint32_t> newest(slots.end() - policy.window, slots.end());
    const std::vector<double> score = policy.score(position, candidates);
    std::vector<std::size_t> order(candidates.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return score[a] > score[b]; });
    for (std::size_t i = policy.budget - policy.window; i < order.size(); ++i) {
      evicted[candidates[order[i]]] = static_cast<std::int32_t>(position + 1 - n_prompt);
    }
    order.resize(policy.budget - policy.window);
    if (!policy.score_order) std::sort(order.begin(), order.end());
    slots.clear();
    for (const std::size_t slot : order) slots.push_back(candidates[slot]);
    slots.insert(slots.end(), newest.begin(), newest.end());
  }
  return evicted;
}

}  // namespace kvwave::replay
