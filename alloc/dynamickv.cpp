// DynamicKV (Zhou et al. 2024, arXiv 2412.14838; github.com/DreamMr/DynamicKV at 8ab3c08, dynamic_v11): layer budgets
// from the layers' part of the best scores so far, in stages while the layers of the prompt arrive.
//
// With C = budget - window, H KV heads, L layers; layer i first keeps K_i = min(int(radio * C), candidates) per head.
// After every fourth layer, and after the last one, with m layers seen:
//   n_i = (entries of layer i among the C * H * m best scores of these layers) div m; after the last layer n_last takes
//   what division lost;  t_i = n_i / sum(n)
//   len_i = int(K_i * t_i), then int(len_i div (sum(len) / (C * L))); the newest layer takes the residue: sum C * L
//   layer i is cut to len_i: stages only shorten, so the outcome is the smallest len_i of all stages
// All heads of a layer are equal. In the code a later len_i above what a layer still holds runs into the stored window
// and duplicates it; here such entries stay unused and are reported. Because of the cuts the sum can stay below the
// model total: ReplanReport::unused says by how much.
// when=first decides once, at the first refresh that drops anything (the code decides after the prompt and never
// again), when=refresh at each.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "alloc/components.h"
#include "alloc/head_sharing.h"
#include "alloc/layer_sums.h"
#include "alloc/parameter.h"

namespace kvwave::alloc {
namespace {

class DynamicKv final : public Allocator {
 public:
  explicit DynamicKv(const Component& component)
      : uniform_(uniform_entry().make(component)),
        radio_(component.real("radio")),
        group_(static_cast<std::size_t>(component.integer("group"))),
        every_(component.word("when") == "refresh") {}

  bool replans_layers() const override { return true; }
  ReplanNeeds replan_needs() const override {
    ReplanNeeds needs;
    needs.scores = true;
    needs.once = !every_;
    return needs;
  }
  LayerPlan layer_plan(const LayerPlanInput& input) const override { return uniform_->layer_plan(input); }

  ReplanReport replan(const LayerReplanInput& input, std::span<std::int32_t> layer_budget) const override {
    if (!every_ && input.n_earlier > 0) return {.unused = unused_entries(input, layer_budget)};
    const std::size_t n_layers = input.layers.size();
    const std::int64_t base = std::int64_t{input.budget} - input.window;
    std::vector<std::int64_t> stored;
    for (const LayerState& layer : input.layers) {
      const auto most = static_cast<std::int64_t>(radio_ * static_cast<double>(base));
      stored.push_back(std::min(most, most_candidates(layer, input.window)));
    }
    const std::vector<std::int64_t> first = stored;
    for (std::size_t seen = 1; seen <= n_layers; ++seen) {
      if (seen % group_ != 0 && seen != n_layers) continue;
      stage(input, base, first, seen, stored);
    }
    return grant_per_head(input, stored, layer_budget);
  }

 private:
  void stage(const LayerReplanInput& input, std::int64_t base, std::span<const std::int64_t> first, std::size_t seen,
             std::span<std::int64_t> stored) const {
    const auto n_heads = static_cast<std::int64_t>(input.n_kv_heads);
    const auto m = static_cast<std::int64_t>(seen);
    std::vector<std::span<const float>> scores;
    for (std::size_t l = 0; l < seen; ++l) {
      scores.insert(scores.end(), input.layers[l].scores.begin(), input.layers[l].scores.end());
    }
    const std::vector<double> counts = counts_among_top(scores, base * n_heads * m, ThresholdTies::cut);
    std::vector<std::int64_t> part;
    std::size_t at = 0;
    for (std::size_t l = 0; l < seen; ++l) {
      double count = 0;
      for (std::size_t h = 0; h < input.layers[l].scores.size(); ++h) count += counts[at++];
      part.push_back(static_cast<std::int64_t>(count) / m);
    }
    const auto part_sum = [&] { return std::accumulate(part.begin(), part.end(), std::int64_t{0}); };
    if (seen == input.layers.size()) part.back() += std::max<std::int64_t>(0, base * n_heads - part_sum());
    const auto sum = static_cast<double>(part_sum());
    const std::int64_t total = base * static_cast<std::int64_t>(input.layers.size());
    std::vector<std::int64_t> length;
    for (std::size_t l = 0; l < seen; ++l) {
      const double share = sum > 0 ? static_cast<double>(part[l]) / sum : 1.0 / static_cast<double>(seen);
      length.push_back(static_cast<std::int64_t>(static_cast<double>(first[l]) * share));
    }
    const std::int64_t length_sum = std::accumulate(length.begin(), length.end(), std::int64_t{0});
    if (length_sum > 0) {
      const double divisor = static_cast<double>(length_sum) / static_cast<double>(total);
      for (std::int64_t& n : length) n = static_cast<std::int64_t>(std::floor(static_cast<double>(n) / divisor));
    }
    length.back() += total - std::accumulate(length.begin(), length.end(), std::int64_t{0});
    for (std::size_t l = 0; l < seen; ++l) stored[l] = std::min(stored[l], std::max<std::int64_t>(0, length[l]));
  }

  std::unique_ptr<Allocator> uniform_;
  double radio_;
  std::size_t group_;
  bool every_;
};

}  // namespace

AllocatorEntry dynamickv_entry() {
  return {
      {.name = "dynamickv",
       .summary = "layers by their part of the best scores, in stages of four layers",
       .source = "DynamicKV, arXiv 2412.14838; github.com/DreamMr/DynamicKV 8ab3c08",
       .parameters = {real_parameter("radio", "10", 1, 10'000, "a layer first keeps this many times its mean"),
                      integer_parameter("group", "4", 1, 10'000, "layers between two cuts"),
                      word_parameter("when", {"first", "refresh"}, "decide once, or anew at each refresh")}},
      [](const Component& component) -> std::unique_ptr<Allocator> { return std::make_unique<DynamicKv>(component); }};
}

}  // namespace kvwave::alloc
