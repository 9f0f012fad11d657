// Control: at each refresh the split over layers and KV heads that keeps the most future mass. Clairvoyant, a reference
// for what any allocator could reach with the same scorer; its greed and the open loop make it no upper bound.
//
// order=scorer  a head with k entries will keep the scorer's k best, so the gain of one entry more is the future mass
// of
//               the scorer's next choice. These gains are not sorted; the curve of what k entries hold is replaced by
//               its concave hull (blocks of gains by their mean), as LU-KV does (arXiv 2602.08585).
// order=mass    heads keep their own most massive entries: the split is the scorer oracle's, whatever the scorer does
// Greedy: the T = model total - windows largest gains of the model win; ties to the lower layer, head and rank. Every
// head keeps at least window + 1 entries. Where everything fits nothing is dropped.
#include <algorithm>
#include <numeric>

#include "alloc/components.h"
#include "alloc/head_sharing.h"
#include "alloc/parameter.h"

namespace kvwave::alloc {
namespace {

using HeadSpans = std::span<const std::span<const float>>;

// Means of blocks such that the sequence never rises (pool adjacent violators).
std::vector<float> concave_hull(const std::vector<float>& gain) {
  struct Block {
    double sum = 0;
    std::size_t size = 0;
    double mean() const { return sum / static_cast<double>(size); }
  };
  std::vector<Block> blocks;
  for (const float g : gain) {
    blocks.push_back({g, 1});
    while (blocks.size() > 1 && blocks[blocks.size() - 2].mean() < blocks.back().mean()) {
      const Block last = blocks.back();
      blocks.pop_back();
      blocks.back().sum += last.sum;
      blocks.back().size += last.size;
    }
  }
  std::vector<float> hull;
  for (const Block& block : blocks) hull.insert(hull.end(), block.size, static_cast<float>(block.mean()));
  return hull;
}

class OracleSplit final : public Allocator {
 public:
  explicit OracleSplit(const Component& component)
      : uniform_(uniform_entry().make(component)), by_scorer_(component.word("order") == "scorer") {}

  bool needs_scores() const override { return true; }
  bool needs_future_mass() const override { return true; }
  bool replans_layers() const override { return true; }
  ReplanNeeds replan_needs() const override {
    ReplanNeeds needs;
    needs.scores = by_scorer_;
    needs.future_mass = true;
    return needs;
  }
  LayerPlan layer_plan(const LayerPlanInput& input) const override { return uniform_->layer_plan(input); }

  ReplanReport replan(const LayerReplanInput& input, std::span<std::int32_t> layer_budget) const override {
    std::vector<std::vector<float>> gains;
    std::vector<std::uint32_t> residents;
    for (const LayerState& layer : input.layers) {
      append_gains(layer.scores, layer.future_mass, gains);
      residents.insert(residents.end(), layer.residents.begin(), layer.residents.end());
    }
    const std::int64_t total =
        std::int64_t{input.budget} * static_cast<std::int64_t>(input.layers.size()) * input.n_kv_heads;
    std::vector<std::int32_t> head(residents.size());
    const std::uint32_t raised = split(gains, residents, total, input.window, head);
    for (std::size_t l = 0; l < layer_budget.size(); ++l) {
      const auto first = head.begin() + static_cast<std::ptrdiff_t>(l * input.n_kv_heads);
      layer_budget[l] = std::accumulate(first, first + static_cast<std::ptrdiff_t>(input.n_kv_heads), 0);
    }
    return {.unused = unused_entries(input, layer_budget), .floors_hit = raised};
  }

  void head_budgets(const HeadPlanInput& input, std::span<std::int32_t> budget) const override {
    check_layer_budget(input, budget.size());
    std::vector<std::vector<float>> gains;
    append_gains(input.scores, input.future_mass, gains);
    split(gains, input.residents, input.layer_budget, input.window, budget);
  }

 private:
  void append_gains(HeadSpans scores, HeadSpans future_mass, std::vector<std::vector<float>>& gains) const {
    for (std::size_t h = 0; h < future_mass.size(); ++h) {
      std::vector<float> gain(future_mass[h].begin(), future_mass[h].end());
      if (!by_scorer_) {
        std::sort(gain.begin(), gain.end(), std::greater<>());
        gains.push_back(std::move(gain));
        continue;
      }
      const std::vector<std::uint32_t> order = select_top(scores[h], static_cast<std::uint32_t>(scores[h].size()));
      std::transform(order.begin(), order.end(), gain.begin(),
                     [&](std::uint32_t slot) { return future_mass[h][slot]; });
      gains.push_back(concave_hull(gain));
    }
  }

  // Returns how many heads were raised to window + 1.
  static std::uint32_t split(const std::vector<std::vector<float>>& gains, std::span<const std::uint32_t> residents,
                             std::int64_t total, std::uint32_t window, std::span<std::int32_t> budget) {
    const std::int64_t shared = total - std::int64_t{window} * static_cast<std::int64_t>(budget.size());
    if (!keep_everything(usable_entries(residents, window), shared, budget)) {
      const std::vector<std::span<const float>> spans(gains.begin(), gains.end());
      const std::vector<double> counts = counts_among_top(spans, shared, ThresholdTies::cut);
      std::transform(counts.begin(), counts.end(), budget.begin(),
                     [](double c) { return static_cast<std::int32_t>(c); });
    }
    for (std::int32_t& entries : budget) entries += static_cast<std::int32_t>(window);
    return raise_to_floor(budget, std::int64_t{window} + 1);
  }

  std::unique_ptr<Allocator> uniform_;
  bool by_scorer_;
};

}  // namespace

AllocatorEntry oracle_allocator_entry() {
  return {{.name = "oracle",
           .summary = "control: the split that keeps most future attention (clairvoyant, greedy)",
           .source = "own baseline; concave hull as LU-KV, arXiv 2602.08585",
           .parameters = {word_parameter("order", {"scorer", "mass"},
                                         "heads keep the scorer's best, or their most massive")}},
          [](const Component& component) -> std::unique_ptr<Allocator> {
            return std::make_unique<OracleSplit>(component);
          }};
}

}  // namespace kvwave::alloc
