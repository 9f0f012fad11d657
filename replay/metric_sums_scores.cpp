// The part of MetricSums that adds up scores: lines of columns, one per q_head and step.
#include <algorithm>
#include <array>
#include <span>
#include <utility>
#include <vector>

#include "replay/metric_sums.h"

namespace kvwave::replay {

namespace {

constexpr std::uint32_t kBlockColumns = 32;  // summed together by one thread

// One value per column of a block. What is added has as many values as the block has columns.
template <class T>
struct BlockLine {
  alignas(64) std::array<T, kBlockColumns> value{};

  template <class U>
  void add(std::span<const U> other) {
    for (std::size_t c = 0; c < other.size(); ++c) value[c] += other[c];
  }
  template <class U>
  void add(std::span<const U> other, const BlockLine<T>& weight) {
    for (std::size_t c = 0; c < other.size(); ++c) value[c] += weight.value[c] * other[c];
  }
  void clear(std::uint32_t n) { std::fill_n(value.begin(), n, T{}); }
  std::span<const T> first(std::uint32_t n) const { return std::span(value).first(n); }
};

using Sums = BlockLine<double>;
using Line = BlockLine<float>;

void add_to(std::vector<double>& to, std::size_t at, std::span<const double> from) {
  for (std::size_t c = 0; c < from.size(); ++c) to[at + c] += from[c];
}

void store(std::vector<float>& to, std::size_t at, std::span<const float> from, float share) {
  for (std::size_t c = 0; c < from.size(); ++c) to[at + c] = from[c] * share;
}

// (2 (1 - m) max |v|)^2.
Sums square_bounds(std::span<const float> mass, double value) {
  Sums bound;
  for (std::size_t c = 0; c < mass.size(); ++c) {
    const double limit = 2 * std::max(0.0, 1.0 - mass[c]) * value;
    bound.value[c] = limit * limit;
  }
  return bound;
}

Sums upper_masses(std::span<const float> mass, float unknown) {
  Sums high;
  for (std::size_t c = 0; c < mass.size(); ++c) high.value[c] = std::min(1.0, double{mass[c]} + unknown);
  return high;
}

}  // namespace

MetricSums::HeadSteps& MetricSums::head_steps(std::uint32_t layer) {
  const auto [found, is_new] = head_steps_.try_emplace(layer);
  HeadSteps& steps = found->second;
  if (is_new) {
    steps = std::move(spare_steps_);
    spare_steps_ = {};
    const std::size_t rows = std::size_t{sequence.n_kv_heads} * sequence.n_steps();
    steps.mass.resize(rows * n_columns);  // every value is written, those of outputs are added
    steps.error.resize(metrics.error ? rows * n_columns : 0);
    steps.recall.resize(metrics.recall ? rows * n_columns : 0);
    steps.output.assign(metrics.error ? rows : 0, 0.0F);
  }
  return steps;
}

// What is the same for all columns.
void MetricSums::add_rows(std::uint32_t layer, LayerScores& scores, HeadSteps& steps) {
  for (std::uint32_t q_head = 0; q_head < sequence.n_q_heads; ++q_head) {
    float* const head_output_steps =
        metrics.error ? steps.output.data() + std::size_t{q_head / sequence.group()} * sequence.n_steps() : nullptr;
    for (std::uint32_t step = scores.begin(); step < scores.end(); ++step) {
      step_unknown[step] += scores.unknown(q_head, step);
      if (!metrics.error) continue;
      const float output = scores.square_output(q_head, step);
      step_output[step] += output;
      head_output_steps[step] += output;
      if (!with_bins_) continue;
      const std::size_t bin = std::size_t{step / bin_steps} * sequence.n_layers + layer;
      bin_output[bin * sequence.n_q_heads + q_head] += output;
    }
  }
}

// 1 for the columns whose figures count in that step, 0 for the others.
void MetricSums::mark_counted(std::uint32_t step, std::uint32_t first, std::uint32_t n,
                              std::span<double> counted) const {
  for (std::uint32_t c = 0; c < n; ++c) counted[c] = step >= counted_from[first + c] ? 1.0 : 0.0;
}

void MetricSums::add_figure(std::uint32_t layer, LayerScores& scores, const Figure& figure, std::uint32_t first,
                            std::uint32_t n) {
  const std::uint32_t group = sequence.group();
  std::vector<Sums> heads(sequence.n_q_heads), bins(with_bins_ ? sequence.n_q_heads : 0);
  Sums counted, of_step;
  Line of_head;
  for (std::uint32_t step = scores.begin(); step < scores.end(); ++step) {
    mark_counted(step, first, n, counted.value);
    of_step.clear(n);
    for (std::uint32_t kv_head = 0; kv_head < sequence.n_kv_heads; ++kv_head) {
      of_head.clear(n);
      for (std::uint32_t q_head = kv_head * group; q_head < (kv_head + 1) * group; ++q_head) {
        const std::span<const float> line = (scores.*figure.line)(q_head, step).subspan(first, n);
        of_head.add(line);
        heads[q_head].add(line, counted);
        if (with_bins_) bins[q_head].add(line);
      }
      of_step.add(of_head.first(n));
      const std::size_t at = (std::size_t{kv_head} * sequence.n_steps() + step) * n_columns + first;
      store(figure.head_steps, at, of_head.first(n), figure.share);
    }
    add_to(figure.step, std::size_t{step} * n_columns + first, of_step.first(n));
    if (!with_bins_ || ((step + 1) % bin_steps != 0 && step + 1 != scores.end())) continue;
    for (std::uint32_t q_head = 0; q_head < sequence.n_q_heads; ++q_head) {
      const std::size_t bin_layer = std::size_t{step / bin_steps} * sequence.n_layers + layer;
      add_to(figure.bin, (bin_layer * sequence.n_q_heads + q_head) * n_columns + first, bins[q_head].first(n));
      bins[q_head].clear(n);
    }
  }
  for (std::uint32_t q_head = 0; q_head < sequence.n_q_heads; ++q_head) {
    const std::size_t head = (std::size_t{layer} * sequence.n_q_heads + q_head) * n_columns + first;
    for (std::vector<double>* const to : figure.head) add_to(*to, head, heads[q_head].first(n));
  }
}

void MetricSums::add_upper_masses(std::uint32_t layer, LayerScores& scores, std::uint32_t first, std::uint32_t n) {
  std::vector<Sums> heads(sequence.n_q_heads);
  Sums counted;
  for (std::uint32_t step = scores.begin(); step < scores.end(); ++step) {
    mark_counted(step, first, n, counted.value);
    for (std::uint32_t q_head = 0; q_head < sequence.n_q_heads; ++q_head) {
      const Sums high = upper_masses(scores.mass(q_head, step).subspan(first, n), scores.unknown(q_head, step));
      heads[q_head].add(high.first(n), counted);
    }
  }
  for (std::uint32_t q_head = 0; q_head < sequence.n_q_heads; ++q_head) {
    add_to(head_high, (std::size_t{layer} * sequence.n_q_heads + q_head) * n_columns + first, heads[q_head].first(n));
  }
}

// The bound of the output error and the outputs that it is a share of.
void MetricSums::add_bounds(std::uint32_t layer, LayerScores& scores, std::uint32_t first, std::uint32_t n) {
  std::vector<Sums> bounds(sequence.n_q_heads), outputs(sequence.n_q_heads);
  Sums counted, of_step, output;
  for (std::uint32_t step = scores.begin(); step < scores.end(); ++step) {
    mark_counted(step, first, n, counted.value);
    of_step.clear(n);
    for (std::uint32_t q_head = 0; q_head < sequence.n_q_heads; ++q_head) {
      const Sums bound = square_bounds(scores.mass(q_head, step).subspan(first, n), scores.max_value(q_head, step));
      output.value.fill(scores.square_output(q_head, step));
      of_step.add(bound.first(n));
      bounds[q_head].add(bound.first(n), counted);
      outputs[q_head].add(output.first(n), counted);
    }
    add_to(step_bound, std::size_t{step} * n_columns + first, of_step.first(n));
  }
  for (std::uint32_t q_head = 0; q_head < sequence.n_q_heads; ++q_head) {
    const std::size_t head = (std::size_t{layer} * sequence.n_q_heads + q_head) * n_columns + first;
    add_to(head_bound, head, bounds[q_head].first(n));
    add_to(head_output, head, outputs[q_head].first(n));
  }
}

void MetricSums::add_columns(std::uint32_t layer, LayerScores& scores, HeadSteps& steps, std::uint32_t first,
                             std::uint32_t n) {
  const float share = 1.0F / static_cast<float>(sequence.group());
  Figure mass{&LayerScores::mass, share, steps.mass, step_mass, bin_mass, {&head_mass}};
  if (scores.any_unknown()) {
    add_upper_masses(layer, scores, first, n);
  } else {
    mass.head.push_back(&head_high);
  }
  add_figure(layer, scores, mass, first, n);
  if (metrics.error) {
    add_figure(layer, scores, {&LayerScores::square_error, 1.0F, steps.error, step_error, bin_error, {&head_error}},
               first, n);
    add_bounds(layer, scores, first, n);
  }
  if (metrics.recall) {
    add_figure(layer, scores, {&LayerScores::recall, share, steps.recall, step_recall, bin_recall, {&head_recall}},
               first, n);
  }
}

void MetricSums::add_scores(std::uint32_t layer, LayerScores& scores, kernels::ThreadPool& pool) {
  HeadSteps& steps = head_steps(layer);
  const std::uint32_t n_blocks = (n_columns + kBlockColumns - 1) / kBlockColumns;
  pool.parallel_for(std::size_t{n_blocks} + 1, [&](std::size_t task, unsigned) {
    if (task == n_blocks) return add_rows(layer, scores, steps);
    const auto first = static_cast<std::uint32_t>(task) * kBlockColumns;
    add_columns(layer, scores, steps, first, std::min(kBlockColumns, n_columns - first));
  });
}

}  // namespace kvwave::replay
