// DuoAttention (Xiao et al. 2024, arXiv 2410.10819; github.com/mit-han-lab/duo-attention at fe93c31,
// duo_attn/utils.py): KV heads are retrieval heads, which keep everything, or streaming heads, which keep a fixed
// number of entries. A learned gate in [0, 1] per KV head tells them apart.
//
//   form=official  threshold = quantile(gates, sparsity), linear; a head is full when its gate reaches it. The code
//   adds
//                  uniform noise below 1e-6 first, so that no two gates tie: here the lower layer and head is full
//                  first. So ceil(sparsity * (N - 1)) of N heads stream (all from sparsity 1 on, none at 0).
//   form=kvpress   the round(sparsity * N) lowest gates stream (halves to even)
// A streaming head's budget is the budget asked for, window included; sinks and recency are the scorer's business
// (`duoattention:table=F/streaming:sinks=64` at budget 320 is the deployed 64 + 256). Full heads are unlimited: their
// memory grows with the sequence, so a nominal budget says little; compare realised memory.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "alloc/components.h"
#include "alloc/head_sharing.h"
#include "alloc/parameter.h"
#include "alloc/table_heads.h"

namespace kvwave::alloc {
namespace {

class DuoAttention final : public Allocator {
 public:
  explicit DuoAttention(const Component& component)
      : sparsity_(component.real("sparsity")), kvpress_(component.word("form") == "kvpress") {}

  bool needs_table() const override { return true; }

  LayerPlan layer_plan(const LayerPlanInput& input) const override {
    check_budget(input);
    std::vector<double> gate = table_per_cache("duoattention", input, GroupReduction::max);
    for (double& g : gate) g = std::clamp(g, 0.0, 1.0);
    std::vector<std::size_t> order(gate.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return gate[a] > gate[b]; });

    LayerPlan plan;
    plan.nominal = std::int64_t{input.budget} * input.n_layers * input.n_kv_heads;
    plan.head_budget.assign(gate.size(), static_cast<std::int32_t>(input.budget));
    plan.unlimited_heads = static_cast<std::uint32_t>(gate.size() - n_streaming(gate.size()));
    for (std::size_t i = 0; i < plan.unlimited_heads; ++i) plan.head_budget[order[i]] = kUnlimited;
    sum_layers(input, plan);
    return plan;
  }

 private:
  std::size_t n_streaming(std::size_t n) const {
    if (sparsity_ >= 1) return n;
    if (kvpress_) return static_cast<std::size_t>(round_half_even(sparsity_ * static_cast<double>(n)));
    return static_cast<std::size_t>(std::ceil(sparsity_ * static_cast<double>(n - 1)));
  }

  double sparsity_;
  bool kvpress_;
};

}  // namespace

AllocatorEntry duoattention_entry() {
  return {
      {.name = "duoattention",
       .summary = "heads with a high gate keep everything, the others get the budget",
       .source = "DuoAttention, arXiv 2410.10819; github.com/mit-han-lab/duo-attention fe93c31",
       .parameters = {text_parameter("table", "file of gates: full_attention_heads.tsv"),
                      real_parameter("sparsity", "0.5", 0, 1, "part of the KV heads that stream"),
                      word_parameter("form", {"official", "kvpress"}, "quantile of the gates, or a rounded count")}},
      [](const Component& component) -> std::unique_ptr<Allocator> {
        return std::make_unique<DuoAttention>(component);
      }};
}

}  // namespace kvwave::alloc
