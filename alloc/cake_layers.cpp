// CAKE's layer budgets (Qin et al. 2025, arXiv 2503.12491; github.com/antgroup/cakekv at c4675ce, cake/): layers whose
// attention is spread wide and moves much get more. The scorer is a file of its own.
//
// With C = budget - window, L layers, and per layer from the last `window` queries (LayerState::entropy, variance: sums
// over the candidates' columns of full rows, not renormalised, variance unbiased):
//   preference = entropy^(1/tau1) * variance^(1/tau2);  raw_l = preference_l / sum * C * L
//   adjust: truncate; cap at what the layer holds and spread the excess evenly over the others, remainder to the first;
//           then spread what is missing to C * L evenly over layers below their cap, or take it from layers above 1
// cascade=on is the code's prefill: the adjustment runs after every layer over the layers so far with the full total,
// and each stage cuts what the earlier ones left; a layer keeps the smallest of its budgets, so the sum can stay below
// C * L (ReplanReport::unused). cascade=off adjusts once.
// when=first decides once, at the first refresh that drops anything (the code decides after the prompt and then holds
// every layer at its budget), when=refresh at each. Official tau1/tau2: 1/1; llama3.1-8b 1.6/0.4 (cache 1024).
#include <algorithm>
#include <cmath>
#include <numeric>

#include "alloc/cake_adjust.h"
#include "alloc/components.h"
#include "alloc/layer_sums.h"
#include "alloc/parameter.h"

namespace kvwave::alloc {
namespace {

// Adds `amount` in equal parts to the items that `open` names, remainder to the first ones.
template <class Open>
bool spread(std::span<std::int64_t> budget, std::int64_t amount, const Open& open) {
  std::vector<std::size_t> takers;
  for (std::size_t l = 0; l < budget.size(); ++l) {
    if (open(l)) takers.push_back(l);
  }
  if (takers.empty()) return false;
  const auto n = static_cast<std::int64_t>(takers.size());
  const std::int64_t sign = amount < 0 ? -1 : 1;
  const std::int64_t each = std::abs(amount) / n, rest = std::abs(amount) % n;
  for (std::int64_t i = 0; i < n; ++i)
    budget[takers[static_cast<std::size_t>(i)]] += sign * (each + (i < rest ? 1 : 0));
  return true;
}

// Cuts items to their caps; returns what was cut.
std::int64_t cut_to_caps(std::span<std::int64_t> budget, std::span<const std::int64_t> cap) {
  std::int64_t excess = 0;
  for (std::size_t l = 0; l < budget.size(); ++l) {
    excess += std::max<std::int64_t>(0, budget[l] - cap[l]);
    budget[l] = std::min(budget[l], cap[l]);
  }
  return excess;
}

class Cake final : public Allocator {
 public:
  explicit Cake(const Component& component)
      : uniform_(uniform_entry().make(component)),
        tau1_(component.real("tau1")),
        tau2_(component.real("tau2")),
        cascade_(component.word("cascade") == "on"),
        every_(component.word("when") == "refresh") {}

  bool replans_layers() const override { return true; }
  ReplanNeeds replan_needs() const override {
    ReplanNeeds needs;
    needs.dispersion = true;
    needs.once = !every_;
    return needs;
  }
  LayerPlan layer_plan(const LayerPlanInput& input) const override { return uniform_->layer_plan(input); }

  ReplanReport replan(const LayerReplanInput& input, std::span<std::int32_t> layer_budget) const override {
    if (!every_ && input.n_earlier > 0) return {.unused = unused_entries(input, layer_budget)};
    const std::size_t n_layers = input.layers.size();
    const std::int64_t total = (std::int64_t{input.budget} - input.window) * static_cast<std::int64_t>(n_layers);
    std::vector<double> preference;
    std::vector<std::int64_t> kept;
    for (const LayerState& layer : input.layers) {
      preference.push_back(std::pow(std::max(layer.entropy, 0.0), 1 / tau1_) *
                           std::pow(std::max(layer.variance, 0.0), 1 / tau2_));
      kept.push_back(most_candidates(layer, input.window));
    }
    const std::vector<std::int64_t> cap = kept;
    for (std::size_t seen = cascade_ ? 1 : n_layers; seen <= n_layers; ++seen) {
      const std::vector<double> raw = raw_shares(std::span(preference).first(seen), static_cast<double>(total));
      const std::vector<std::int64_t> stage = adjust_cake_budgets(raw, std::span(cap).first(seen), total);
      for (std::size_t l = 0; l < seen; ++l) kept[l] = std::min(kept[l], stage[l]);
    }
    ReplanReport report = grant_per_head(input, kept, layer_budget);
    for (std::size_t l = 0; l < n_layers; ++l) report.caps_hit += kept[l] == cap[l] ? 1 : 0;
    return report;
  }

 private:
  static std::vector<double> raw_shares(std::span<const double> preference, double total) {
    const double sum = std::accumulate(preference.begin(), preference.end(), 0.0);
    std::vector<double> raw;
    for (const double p : preference) {
      raw.push_back(sum > 0 && std::isfinite(sum) ? p / sum * total : total / static_cast<double>(preference.size()));
    }
    return raw;
  }

  std::unique_ptr<Allocator> uniform_;
  double tau1_, tau2_;
  bool cascade_, every_;
};

}  // namespace

std::vector<std::int64_t> adjust_cake_budgets(std::span<const double> raw, std::span<const std::int64_t> cap,
                                              std::int64_t total) {
  std::vector<std::int64_t> budget;
  for (const double share : raw) budget.push_back(static_cast<std::int64_t>(share));
  const auto below_cap = [&](std::size_t l) { return budget[l] < cap[l]; };
  const auto above_one = [&](std::size_t l) { return budget[l] > 1; };
  const auto place = [&](std::int64_t amount) {
    while (amount > 0 && spread(budget, amount, below_cap)) amount = cut_to_caps(budget, cap);
  };
  place(cut_to_caps(budget, cap));
  std::int64_t missing = total - std::accumulate(budget.begin(), budget.end(), std::int64_t{0});
  place(missing);
  while (missing < 0 && spread(budget, missing, above_one)) {
    // A small budget can be taken below 1: put it back and ask the others again.
    missing = 0;
    for (std::int64_t& entries : budget) {
      missing -= std::max<std::int64_t>(0, 1 - entries);
      entries = std::max<std::int64_t>(entries, 1);
    }
  }
  return budget;
}

AllocatorEntry cake_allocator_entry() {
  return {{.name = "cake",
           .summary = "layers by entropy and variance of attention, in a cascade",
           .source = "CAKE, arXiv 2503.12491; github.com/antgroup/cakekv c4675ce",
           .parameters = {real_parameter("tau1", "1", 0.01, 100, "entropy counts by the power 1/tau1"),
                          real_parameter("tau2", "1", 0.01, 100, "variance counts by the power 1/tau2"),
                          word_parameter("cascade", {"on", "off"}, "adjust layer by layer as the code, or once"),
                          word_parameter("when", {"first", "refresh"}, "decide once, or anew at each refresh")}},
          [](const Component& component) -> std::unique_ptr<Allocator> { return std::make_unique<Cake>(component); }};
}

}  // namespace kvwave::alloc
