// All layers of a model at a refresh, made up for tests of allocators that replan layers.
#pragma once

#include <random>
#include <span>
#include <vector>

#include "alloc/allocator.h"

namespace kvwave::alloc {

struct MadeLayer {
  std::vector<std::vector<float>> score, future_mass;  ///< [n_kv_heads] of the candidates
  double demand = 0, entropy = 0, variance = 0;
};

/// Owns what LayerReplanInput points at.
class ModelState {
 public:
  ModelState(std::vector<MadeLayer> layers, std::uint32_t budget, std::uint32_t window)
      : layers_(std::move(layers)), memory_(layers_.size(), 0.0), budget_(budget), window_(window) {
    scores_.resize(layers_.size());
    future_.resize(layers_.size());
    residents_.resize(layers_.size());
    states_.resize(layers_.size());
    for (std::size_t l = 0; l < layers_.size(); ++l) {
      for (const std::vector<float>& head : layers_[l].score) {
        scores_[l].emplace_back(head);
        residents_[l].push_back(static_cast<std::uint32_t>(head.size()) + window);
      }
      for (const std::vector<float>& head : layers_[l].future_mass) future_[l].emplace_back(head);
      states_[l] = {residents_[l], scores_[l], future_[l], layers_[l].demand, layers_[l].entropy, layers_[l].variance};
    }
  }

  std::uint32_t n_kv_heads() const { return static_cast<std::uint32_t>(layers_.front().score.size()); }
  std::int64_t total() const {
    return std::int64_t{budget_} * static_cast<std::int64_t>(layers_.size()) * n_kv_heads();
  }
  std::uint32_t window() const { return window_; }
  const std::vector<LayerState>& states() const { return states_; }
  const std::vector<double>& memory() const { return memory_; }

  /// Budgets start uniform, or as given.
  std::vector<std::int32_t> replan(const Allocator& rule, std::uint32_t n_earlier = 0,
                                   std::vector<std::int32_t> budget = {}) {
    if (budget.empty()) budget.assign(layers_.size(), static_cast<std::int32_t>(budget_ * n_kv_heads()));
    LayerReplanInput input;
    input.n_kv_heads = n_kv_heads();
    input.budget = budget_;
    input.window = window_;
    input.n_earlier = n_earlier;
    input.layers = states_;
    input.memory = memory_;
    report_ = rule.replan(input, budget);
    return budget;
  }
  const ReplanReport& report() const { return report_; }

 private:
  std::vector<MadeLayer> layers_;
  std::vector<std::vector<std::span<const float>>> scores_, future_;
  std::vector<std::vector<std::uint32_t>> residents_;
  std::vector<LayerState> states_;
  std::vector<double> memory_;
  std::uint32_t budget_, window_;
  ReplanReport report_;
};

/// Random scores with ties, random sizes; future mass random and unrelated.
inline ModelState random_model(std::mt19937& random) {
  std::uniform_real_distribution<float> unit(0, 1);
  const auto window = static_cast<std::uint32_t>(1 + random() % 12);
  const std::size_t n_layers = 1 + random() % 9, n_heads = 1 + random() % 4;
  std::vector<MadeLayer> layers(n_layers);
  for (MadeLayer& layer : layers) {
    for (std::size_t h = 0; h < n_heads; ++h) {
      std::vector<float> score(random() % 200), future(score.size());
      for (float& s : score) s = random() % 3 == 0 ? 0.25F : unit(random);
      for (float& f : future) f = random() % 5 == 0 ? 0.0F : unit(random);
      layer.score.push_back(std::move(score));
      layer.future_mass.push_back(std::move(future));
    }
    layer.demand = unit(random) * 100;
    layer.entropy = random() % 8 == 0 ? 0.0 : unit(random) * 50;
    layer.variance = unit(random) * 2;
  }
  return ModelState(std::move(layers), window + 1 + static_cast<std::uint32_t>(random() % 120), window);
}

}  // namespace kvwave::alloc
