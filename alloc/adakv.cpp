// AdaKV (Feng et al. 2024, arXiv 2407.11550; github.com/FFY0/AdaKV at efe4e2e, adaptive_snapkv/monkeypatch): the KV
// heads of a layer share its budget by how many of the layer's best scores they hold, above a floor.
//
// With C = candidates per KV head on average (layer budget / H - window), T = C * H, floor a = alpha:
//   count_h = entries of head h among the T largest scores of the layer (of equal scores those of lower heads count)
//   official  candidates_h = count_h * (1 - a) + int(C * a), halves to even, and the window on top. Truncation and
//             rounding move the sum by a few entries either way: total=upstream keeps that, total=exact (memory of
//             uniform) rounds count_h * (1 - a) + C * a by largest remainder to T.
//   kvpress   the int(C * a) best of each head are safe, the rest is the best of what remains; the sum is T
// normalize=on weighs each head's scores by the share of its mass that its C best hold (KVCache-Factory's default, off
// in the official code); it needs scores that are no less than 0.
// kvpress and KVCache-Factory default to a = 0.2, the official code to 0.5. Layers below `skip` are uniform.
// Where everything fits nothing is dropped. During decoding heads may hold less than their share: surplus=redistribute
// gives that to the others, surplus=leave does not (prefill, which the official code serves, has no such case).
#include <algorithm>
#include <numeric>

#include "alloc/components.h"
#include "alloc/head_sharing.h"
#include "alloc/parameter.h"
#include "alloc/robust_operator.h"

namespace kvwave::alloc {
namespace {

class AdaKv final : public Allocator {
 public:
  explicit AdaKv(const Component& component)
      : uniform_(uniform_entry().make(component)),
        alpha_(component.real("alpha")),
        skip_(static_cast<std::uint32_t>(component.integer("skip"))),
        kvpress_(component.word("form") == "kvpress"),
        upstream_(component.word("total") == "upstream"),
        normalize_(component.word("normalize") == "on"),
        redistribute_(component.word("surplus") == "redistribute") {}

  bool needs_scores() const override { return true; }
  LayerPlan layer_plan(const LayerPlanInput& input) const override { return uniform_->layer_plan(input); }

  void head_budgets(const HeadPlanInput& input, std::span<std::int32_t> budget) const override {
    check_layer_budget(input, budget.size());
    const auto window = static_cast<std::int32_t>(input.window);
    const std::int64_t total = input.layer_budget - std::int64_t{window} * static_cast<std::int64_t>(budget.size());
    const std::vector<double> usable = usable_entries(input.residents, input.window);
    if (input.layer < skip_) {
      divide_evenly(total, budget);
    } else if (!keep_everything(usable, total, budget)) {
      share(input.scores, total, usable, budget);
    }
    for (std::int32_t& entries : budget) entries = std::max(entries, upstream_ ? 1 : 0) + window;
    if (!upstream_) raise_to_floor(budget, std::int64_t{window} + 1);
  }

 private:
  void share(std::span<const std::span<const float>> scores, std::int64_t total, std::span<const double> usable,
             std::span<std::int32_t> budget) const {
    const auto n_heads = static_cast<double>(budget.size());
    const std::int64_t base = total / static_cast<std::int64_t>(budget.size());
    const auto floor = static_cast<std::int64_t>(static_cast<double>(base) * alpha_);
    if (kvpress_) {
      finish(counts_above_safe(scores, total, floor), total, usable, budget);
      return;
    }
    std::vector<double> share = counts(scores, total, base);
    if (upstream_) {
      for (std::size_t h = 0; h < budget.size(); ++h) {
        budget[h] = round_half_even(share[h] * (1.0 - alpha_) + static_cast<double>(floor));
      }
      return;
    }
    for (double& s : share) s = s * (1.0 - alpha_) + static_cast<double>(total) / n_heads * alpha_;
    finish(std::move(share), total, usable, budget);
  }

  void finish(std::vector<double> share, std::int64_t total, std::span<const double> usable,
              std::span<std::int32_t> budget) const {
    if (redistribute_) share = water_fill(share, 0.0, usable, static_cast<double>(total));
    round_largest_remainder(share, total, budget);
  }

  std::vector<double> counts(std::span<const std::span<const float>> scores, std::int64_t total,
                             std::int64_t base) const {
    if (!normalize_) return counts_among_top(scores, total, ThresholdTies::cut);
    std::vector<std::vector<float>> weighed(scores.size());
    std::vector<std::span<const float>> spans;
    for (std::size_t h = 0; h < scores.size(); ++h) {
      std::vector<float>& own = weighed[h];
      own.assign(scores[h].begin(), scores[h].end());
      std::sort(own.begin(), own.end(), std::greater<>());
      const auto best = own.begin() + std::min<std::ptrdiff_t>(base, static_cast<std::ptrdiff_t>(own.size()));
      const double mass = std::accumulate(own.begin(), own.end(), 0.0);
      const double held = std::accumulate(own.begin(), best, 0.0);
      for (float& score : own) score = mass > 0 ? static_cast<float>(score * (held / mass)) : score;
      spans.emplace_back(own);
    }
    return counts_among_top(spans, total, ThresholdTies::cut);
  }

  static std::vector<double> counts_above_safe(std::span<const std::span<const float>> scores, std::int64_t total,
                                               std::int64_t floor) {
    std::vector<std::vector<float>> rest(scores.size());
    std::vector<std::span<const float>> spans;
    std::vector<double> safe;
    std::int64_t open = total;
    for (std::size_t h = 0; h < scores.size(); ++h) {
      rest[h].assign(scores[h].begin(), scores[h].end());
      std::sort(rest[h].begin(), rest[h].end(), std::greater<>());
      const std::int64_t held = std::min(floor, static_cast<std::int64_t>(rest[h].size()));
      safe.push_back(static_cast<double>(held));
      open -= held;
      spans.emplace_back(std::span(rest[h]).subspan(static_cast<std::size_t>(held)));
    }
    std::vector<double> counts = counts_among_top(spans, open, ThresholdTies::cut);
    for (std::size_t h = 0; h < counts.size(); ++h) counts[h] += safe[h];
    return counts;
  }

  std::unique_ptr<Allocator> uniform_;
  double alpha_;
  std::uint32_t skip_;
  bool kvpress_, upstream_, normalize_, redistribute_;
};

}  // namespace

AllocatorEntry adakv_entry() {
  return {{.name = "adakv",
           .summary = "KV heads by their part of the layer's best scores, above a floor",
           .source = "AdaKV, arXiv 2407.11550; github.com/FFY0/AdaKV efe4e2e",
           .parameters = {real_parameter("alpha", "0.5", 0, 1, "part of a head's share that is its floor"),
                          word_parameter("form", {"official", "kvpress"}, "mix floor and count, or safe entries first"),
                          word_parameter("total", {"exact", "upstream"},
                                         "memory of uniform, or official rounding (drifts)"),
                          word_parameter("normalize", {"off", "on"}, "weigh heads by how concentrated their mass is"),
                          word_parameter("surplus", {"redistribute", "leave"},
                                         "what a head cannot fill: to the others, or unused"),
                          integer_parameter("skip", "0", 0, 10'000, "first layers that stay uniform")}},
          [](const Component& component) -> std::unique_ptr<Allocator> { return std::make_unique<AdaKv>(component); }};
}

}  // namespace kvwave::alloc
