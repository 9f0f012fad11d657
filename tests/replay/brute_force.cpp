#include "tests/replay/brute_force.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace kvwave::replay {

namespace {

double dot(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (std::size_t c = 0; c < a.size(); ++c) sum += static_cast<double>(a[c]) * static_cast<double>(b[c]);
  return sum;
}

void softmax(std::vector<double>& x) {
  const double top = *std::max_element(x.begin(), x.end());
  double sum = 0;
  for (double& value : x) sum += value = std::exp(value - top);
  for (double& value : x) value /= sum;
}

std::vector<double> literal_importance(const SyntheticTrace& trace, std::uint32_t layer, std::uint32_t kv_head,
                                       const LiteralRkv& policy, std::uint32_t position,
                                       const std::vector<std::uint32_t>& slots, std::size_t n_candidates) {
  const traces::ModelShape& shape = trace.info.shape;
  const std::uint32_t first = position + 1 > policy.window ? position + 1 - policy.window : 0;
  std::vector<double> mean(n_candidates, 0.0), pooled(n_candidates);
  for (std::uint32_t query = first; query <= position; ++query) {
    std::vector<double> row(n_candidates, -1e300);
    for (std::size_t j = 0; j < n_candidates; ++j) {
      for (std::uint32_t g = 0; g < shape.group(); ++g) {
        const double logit =
            dot(trace.q_at(query, layer, kv_head * shape.group() + g), trace.k_at(slots[j], layer, kv_head)) /
            std::sqrt(static_cast<double>(shape.head_dim));
        row[j] = std::max(row[j], logit);
      }
    }
    softmax(row);
    for (std::size_t j = 0; j < n_candidates; ++j) mean[j] += row[j] / (position + 1 - first);
  }
  for (std::size_t j = 0; j < n_candidates; ++j) {
    for (std::size_t i = 0; i < n_candidates; ++i) {
      const std::size_t distance = i > j ? i - j : j - i;
      if (distance <= policy.kernel / 2) pooled[j] = std::max(pooled[j], mean[i]);
    }
  }
  return pooled;
}

std::vector<double> literal_redundancy(const SyntheticTrace& trace, std::uint32_t layer, std::uint32_t kv_head,
                                       const std::vector<std::uint32_t>& slots) {
  const std::size_t n = slots.size();
  std::vector<double> norm(n), r(n, 0.0);
  for (std::size_t i = 0; i < n; ++i) {
    const auto key = trace.k_at(slots[i], layer, kv_head);
    norm[i] = std::sqrt(dot(key, key)) + 1e-8;
  }
  for (std::size_t i = 0; i < n; ++i) {
    std::vector<double> row(n, 0.0);
    std::size_t retained = 0;
    for (std::size_t j = 0; j < n; ++j) {
      if (j == i) continue;
      row[j] = dot(trace.k_at(slots[i], layer, kv_head), trace.k_at(slots[j], layer, kv_head)) / (norm[i] * norm[j]);
      if (row[j] > 0.5) retained = j;
    }
    row[retained] = 0;
    for (std::size_t j = 0; j < n; ++j) r[j] += row[j] / static_cast<double>(n);
  }
  softmax(r);
  return r;
}

}  // namespace

Sequence sequence_of(const SyntheticTrace& trace) {
  const traces::ModelShape& shape = trace.info.shape;
  return {shape.n_layers, shape.n_q_heads, shape.n_kv_heads, shape.head_dim, trace.n_positions, trace.info.n_prompt};
}

LayerTensors layer_tensors(const SyntheticTrace& trace, std::uint32_t layer) {
  std::vector<float> q, k, v;
  for (std::uint32_t p = 0; p < trace.n_positions; ++p) {
    for (std::uint32_t h = 0; h < trace.info.shape.n_q_heads; ++h) {
      const auto part = trace.q_at(p, layer, h);
      q.insert(q.end(), part.begin(), part.end());
    }
    for (std::uint32_t h = 0; h < trace.info.shape.n_kv_heads; ++h) {
      const auto key = trace.k_at(p, layer, h), value = trace.v_at(p, layer, h);
      k.insert(k.end(), key.begin(), key.end());
      v.insert(v.end(), value.begin(), value.end());
    }
  }
  return LayerTensors(sequence_of(trace), layer, std::move(q), k, v);
}

std::vector<double> exact_row(const SyntheticTrace& trace, std::uint32_t layer, std::uint32_t q_head,
                              std::uint32_t position) {
  std::vector<double> row(position + 1);
  for (std::uint32_t i = 0; i <= position; ++i) {
    row[i] = dot(trace.q_at(position, layer, q_head), trace.k_at(i, layer, q_head / trace.info.shape.group())) /
             std::sqrt(static_cast<double>(trace.info.shape.head_dim));
  }
  softmax(row);
  return row;
}

std::vector<bool> top_of_row(const std::vector<double>& row, std::uint32_t count) {
  std::vector<std::uint32_t> order(row.size());
  std::iota(order.begin(), order.end(), 0U);
  std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) { return row[a] > row[b]; });
  std::vector<bool> top(row.size(), false);
  for (std::size_t i = 0; i < std::min<std::size_t>(count, order.size()); ++i) top[order[i]] = true;
  return top;
}

ExactFigures exact_figures(const SyntheticTrace& trace, std::uint32_t layer, std::uint32_t q_head,
                           std::uint32_t position, const std::vector<bool>& visible) {
  const std::vector<double> row = exact_row(trace, layer, q_head, position);
  const std::uint32_t kv_head = q_head / trace.info.shape.group();
  const std::uint32_t d = trace.info.shape.head_dim;
  ExactFigures figures;
  std::vector<double> full(d, 0.0), seen(d, 0.0);
  double longest = 0;
  for (std::uint32_t i = 0; i <= position; ++i) {
    const auto value = trace.v_at(i, layer, kv_head);
    longest = std::max(longest, std::sqrt(dot(value, value)));
    for (std::uint32_t c = 0; c < d; ++c) {
      full[c] += row[i] * value[c];
      if (visible[i]) seen[c] += row[i] * value[c];
    }
    if (visible[i]) figures.mass += row[i];
  }
  for (std::uint32_t c = 0; c < d; ++c) {
    const double restricted = figures.mass > 0 ? seen[c] / figures.mass : 0.0;
    figures.square_error += (restricted - full[c]) * (restricted - full[c]);
    figures.square_output += full[c] * full[c];
  }
  const double bound = 2 * (1 - figures.mass) * longest;
  figures.square_bound = bound * bound;
  const std::uint32_t size = std::min(32U, position + 1);
  const std::vector<bool> top = top_of_row(row, size);
  for (std::uint32_t i = 0; i <= position; ++i) figures.recall += top[i] && visible[i] ? 1.0 / size : 0.0;
  return figures;
}

std::vector<bool> visible_at(const LayerResidency& residency, const Sequence& sequence, std::uint32_t cache,
                             std::uint32_t step) {
  std::vector<bool> visible(sequence.n_prompt + step + 1);
  const std::size_t n_pages = residency.page > 0 ? (sequence.n_positions + residency.page - 1) / residency.page : 0;
  const std::size_t line = (n_pages + 31) / 32;
  for (std::uint32_t i = 0; i < visible.size(); ++i) {
    if (residency.page == 0) {
      visible[i] = static_cast<std::int32_t>(step) < residency.evicted_at[cache * sequence.n_positions + i];
    } else {
      const std::uint32_t p = i / residency.page;
      visible[i] = (residency.visible[(cache * sequence.n_steps() + step) * line + p / 32] >> (p % 32) & 1) != 0;
    }
  }
  return visible;
}

std::vector<std::int32_t> literal_rkv(const SyntheticTrace& trace, std::uint32_t layer, std::uint32_t kv_head,
                                      const LiteralRkv& policy) {
  const std::uint32_t n_prompt = trace.info.n_prompt;
  std::vector<std::int32_t> evicted_at(trace.n_positions, kNever);
  std::vector<std::uint32_t> slots;
  for (std::uint32_t position = 0; position < trace.n_positions; ++position) {
    slots.push_back(position);
    const bool prompt_end = position + 1 == n_prompt;
    const bool trigger = position >= n_prompt && position % policy.buffer == 0;
    if (!(prompt_end || trigger) || slots.size() < policy.budget) continue;
    const std::size_t n_candidates = slots.size() - policy.window;
    const auto a = literal_importance(trace, layer, kv_head, policy, position, slots, n_candidates);
    const auto red = literal_redundancy(trace, layer, kv_head, slots);
    std::vector<double> score(n_candidates);
    for (std::size_t j = 0; j < n_candidates; ++j) score[j] = policy.lambda * a[j] - (1 - policy.lambda) * red[j];
    std::vector<std::size_t> order(n_candidates);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t x, std::size_t y) { return score[x] > score[y]; });
    std::vector<std::uint32_t> kept;
    for (std::size_t i = 0; i < order.size(); ++i) {
      if (i < policy.budget - policy.window) {
        kept.push_back(slots[order[i]]);
      } else {
        evicted_at[slots[order[i]]] = static_cast<std::int32_t>(position + 1) - static_cast<std::int32_t>(n_prompt);
      }
    }
    if (policy.time_order) std::sort(kept.begin(), kept.end());
    kept.insert(kept.end(), slots.end() - policy.window, slots.end());
    slots = kept;
  }
  return evicted_at;
}

}  // namespace kvwave::replay
