// Short ways to an allocator or a scorer in tests.
#pragma once

#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "alloc/allocator.h"
#include "alloc/scorer.h"
#include "alloc/strategy.h"

namespace kvwave::alloc {

inline std::unique_ptr<Allocator> allocator(const std::string& text) {
  return make_allocator(Strategy::parse(text + "/snapkv").allocator);
}

inline std::unique_ptr<Scorer> scorer(const std::string& text) {
  return make_scorer(Strategy::parse("uniform/" + text).scorer);
}

/// The defaults of an allocator in a form that has finite budgets for every head.
inline std::string with_finite_budgets(std::string_view name) {
  return std::string(name) + (name == "duoattention" ? ":sparsity=1" : "");
}

/// A table that treats all heads alike, for any allocator that needs one.
inline HeadTable flat_table(std::uint32_t n_layers, std::uint32_t n_heads) {
  return {99, n_layers, n_heads, std::vector<double>(std::size_t{99} * n_layers * n_heads, 0.5)};
}

template <class Number>
std::int64_t sum(const std::vector<Number>& values) {
  return std::accumulate(values.begin(), values.end(), std::int64_t{0});
}

/// Scores per KV head with the matching resident counts.
struct LayerScores {
  std::vector<std::vector<float>> score;
  std::uint32_t window = 8;

  std::vector<std::int32_t> budgets(const Allocator& rule, std::int32_t layer_budget) const {
    std::vector<std::span<const float>> spans(score.begin(), score.end());
    std::vector<std::uint32_t> residents;
    for (const auto& head : score) residents.push_back(static_cast<std::uint32_t>(head.size()) + window);
    std::vector<std::int32_t> budget(score.size());
    rule.head_budgets({.layer_budget = layer_budget, .window = window, .scores = spans, .residents = residents},
                      budget);
    return budget;
  }
};

/// One head per count: `counts[h]` scores at 1 above a floor of `low` scores at 0, all distinct within their band.
inline LayerScores scores_with_counts(const std::vector<std::size_t>& counts, std::size_t low, std::uint32_t window) {
  LayerScores layer;
  layer.window = window;
  float step = 0;
  for (const std::size_t count : counts) {
    std::vector<float> head;
    for (std::size_t i = 0; i < low; ++i) head.push_back(1e-4F * (step += 1));
    for (std::size_t i = 0; i < count; ++i) head.push_back(10 + 1e-4F * (step += 1));
    layer.score.push_back(std::move(head));
  }
  return layer;
}

}  // namespace kvwave::alloc
