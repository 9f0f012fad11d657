// Allocators that decide over all layers at a refresh.
#include <algorithm>
#include <cmath>
#include <random>

#include <gtest/gtest.h>

#include "alloc/cake_adjust.h"
#include "alloc/registry.h"
#include "tests/alloc/make_component.h"
#include "tests/alloc/model_state.h"

namespace kvwave::alloc {
namespace {

using Budgets = std::vector<std::int32_t>;

// One KV head per layer; `n` scores each, `high[l]` of them above all others.
std::vector<MadeLayer> layers_with_counts(const std::vector<std::size_t>& high, std::size_t n) {
  std::vector<MadeLayer> layers;
  float step = 0;
  for (const std::size_t count : high) {
    MadeLayer layer;
    layer.score.emplace_back();
    for (std::size_t i = 0; i < n; ++i) layer.score[0].push_back(1e-4F * (step += 1) + (i < count ? 10.0F : 0.0F));
    layer.future_mass = layer.score;
    layers.push_back(layer);
  }
  return layers;
}

TEST(CakeAdjust, matches_the_golden_vectors) {
  const std::vector<std::int64_t> cap(4, 300);
  EXPECT_EQ(adjust_cake_budgets(std::vector<double>{500.7, 120.4, 60.3, 118.6}, cap, 800),
            (std::vector<std::int64_t>{300, 188, 128, 184}));
  EXPECT_EQ(adjust_cake_budgets(std::vector<double>{300.9, 220.4, 160.3, 118.4}, cap, 800),
            (std::vector<std::int64_t>{300, 221, 161, 118}));
}

TEST(CakeAdjust, keeps_total_and_caps_for_random_shares) {
  const unsigned seed = 2503;
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 2000; ++round) {
    std::vector<double> raw(1 + random() % 12);
    std::vector<std::int64_t> cap;
    double sum = 0;
    for (double& r : raw) sum += r = static_cast<double>(random() % 1000) * (random() % 4 == 0 ? 10 : 1);
    const std::int64_t total = static_cast<std::int64_t>(random() % 3000) + 1;
    for (double& r : raw) {
      r = sum > 0 ? r / sum * static_cast<double>(total) : 0.0;
      cap.push_back(static_cast<std::int64_t>(random() % 600));
    }
    const std::vector<std::int64_t> budget = adjust_cake_budgets(raw, cap, total);
    for (std::size_t l = 0; l < raw.size(); ++l) {
      EXPECT_GE(budget[l], 0);
      EXPECT_LE(budget[l], cap[l]);
    }
    EXPECT_EQ(sum > 0 ? std::accumulate(budget.begin(), budget.end(), std::int64_t{0}) : 0,
              sum > 0 ? std::min(total, std::accumulate(cap.begin(), cap.end(), std::int64_t{0})) : 0);
  }
}

TEST(CakeLayers, follow_preference_with_its_exponents) {
  std::vector<MadeLayer> layers = layers_with_counts({0, 0}, 1000);
  layers[0].entropy = 16, layers[0].variance = 1;
  layers[1].entropy = 4, layers[1].variance = 1;
  ModelState model(layers, 108, 8);
  EXPECT_EQ(model.replan(*allocator("cake:cascade=off")), (Budgets{160 + 8, 40 + 8}));
  // tau1 = 2: 4 to 2.
  EXPECT_EQ(model.replan(*allocator("cake:cascade=off,tau1=2")), (Budgets{134 + 8, 66 + 8}));
}

TEST(CakeLayers, in_a_cascade_never_regrow) {
  std::vector<MadeLayer> layers = layers_with_counts({0, 0, 0}, 120);
  layers[0].entropy = 1, layers[1].entropy = 30, layers[2].entropy = 100;
  for (MadeLayer& layer : layers) layer.variance = 1;
  ModelState model(layers, 108, 8);
  // Once: raw {2.3, 68.7, 229}; 109 above the cap of 120 go to the others: {57, 123, 120}, 3 over the cap go on.
  EXPECT_EQ(model.replan(*allocator("cake:cascade=off")), (Budgets{60 + 8, 120 + 8, 120 + 8}));
  const Budgets cascade = model.replan(*allocator("cake"));
  EXPECT_LE(cascade[0], 60 + 8);
  EXPECT_LE(sum(cascade), model.total());
  EXPECT_EQ(model.report().unused, model.total() - sum(cascade));
}

TEST(CakeLayers, decide_once_unless_told) {
  std::vector<MadeLayer> layers = layers_with_counts({0, 0}, 1000);
  layers[0].entropy = 16, layers[1].entropy = 4;
  layers[0].variance = layers[1].variance = 1;
  ModelState model(layers, 108, 8);
  EXPECT_EQ(model.replan(*allocator("cake:cascade=off"), 1, {200, 16}), (Budgets{200, 16}));
  EXPECT_EQ(model.replan(*allocator("cake:cascade=off,when=refresh"), 1, {200, 16}), (Budgets{168, 48}));
}

TEST(DynamicKv, shares_by_counts_after_the_last_layer) {
  // C = 10, L = 2, one head, one stage: the 20 best scores lie 15 to 5; n = {7, 2 + 1 lost} of K = 100.
  ModelState model(layers_with_counts({15, 5}, 150), 18, 8);
  // t = {.7, .3}: 70 and 30, divided by 100 / 20: 14 and 6.
  EXPECT_EQ(model.replan(*allocator("dynamickv")), (Budgets{14 + 8, 6 + 8}));
}

TEST(DynamicKv, cuts_in_stages_and_never_regrows) {
  // After 4 layers all counts lie in layer 0: the others are cut to nothing and stay so, whatever comes later.
  ModelState model(layers_with_counts({400, 0, 0, 0, 0, 0, 0, 0}, 500), 18, 8);
  const Budgets budget = model.replan(*allocator("dynamickv"));
  EXPECT_EQ(budget[1], 1 + 8);
  EXPECT_LE(sum(budget), model.total());
  const Budgets once = model.replan(*allocator("dynamickv:group=8"));
  EXPECT_GE(once[0], budget[0]);
}

TEST(OracleSplit, follows_the_mass_that_the_scorer_would_keep) {
  // The scorer of layer 0 ranks its massive entries last: within the budget it gains nothing there.
  std::vector<MadeLayer> layers(2);
  layers[0].score = {{5, 4, 3, 2, 1, 0}};
  layers[0].future_mass = {{0, 0, 0, 0, 1, 1}};
  layers[1].score = {{5, 4, 3, 2, 1, 0}};
  layers[1].future_mass = {{.5F, .5F, .5F, .5F, 0, 0}};
  ModelState model(layers, 4, 1);
  // Hull of layer 0: 1/3 each; the 6 shared entries: 4 of layer 1 at .5, then 2 of layer 0.
  EXPECT_EQ(model.replan(*allocator("oracle")), (Budgets{2 + 1, 4 + 1}));
  // By mass: 1, 1 of layer 0, then four halves.
  EXPECT_EQ(model.replan(*allocator("oracle:order=mass")), (Budgets{2 + 1, 4 + 1}));
}

TEST(OracleSplit, beats_every_other_split_when_entries_are_kept_by_mass) {
  const unsigned seed = 77;
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  const auto rule = allocator("oracle:order=mass");
  for (int round = 0; round < 200; ++round) {
    std::vector<MadeLayer> layers(3);
    for (MadeLayer& layer : layers) {
      layer.score.assign(1, std::vector<float>(8, 0));
      layer.future_mass.assign(1, std::vector<float>(8));
      for (float& f : layer.future_mass[0]) f = static_cast<float>(random() % 100);
    }
    ModelState model(layers, 5, 1);
    const Budgets best = model.replan(*rule);
    const auto kept = [&](std::size_t l, std::size_t k) {
      std::vector<float> mass = layers[l].future_mass[0];
      std::sort(mass.begin(), mass.end(), std::greater<>());
      return std::accumulate(mass.begin(), mass.begin() + static_cast<std::ptrdiff_t>(k), 0.0);
    };
    double mine = 0, other = 0;
    for (std::size_t l = 0; l < 3; ++l) mine += kept(l, static_cast<std::size_t>(best[l] - 1));
    for (std::size_t a = 1; a <= 8; ++a) {
      for (std::size_t b = 1; b <= 8 && a + b < 12; ++b) {
        if (12 - a - b <= 8) other = std::max(other, kept(0, a) + kept(1, b) + kept(2, 12 - a - b));
      }
    }
    EXPECT_EQ(mine, other);
  }
}

TEST(OracleSplit, splits_heads_as_it_splits_layers) {
  LayerScores layer;
  layer.window = 1;
  layer.score = {{3, 2, 1}, {3, 2, 1}};
  const std::vector<std::vector<float>> future = {{.1F, .1F, .1F}, {.9F, .8F, .7F}};
  const std::vector<std::span<const float>> scores(layer.score.begin(), layer.score.end());
  const std::vector<std::span<const float>> mass(future.begin(), future.end());
  const std::vector<std::uint32_t> residents = {4, 4};
  Budgets budget(2);
  allocator("oracle")->head_budgets(
      {.layer_budget = 6, .window = 1, .scores = scores, .residents = residents, .future_mass = mass}, budget);
  EXPECT_EQ(budget, (Budgets{1 + 1, 3 + 1}));
}

TEST(ReasonAllocDynamic, follows_measured_demand_through_the_robust_operator) {
  std::vector<MadeLayer> layers = layers_with_counts({0, 0, 0, 0}, 392);
  const std::vector<double> demand = {400, 100, 50, 450};
  for (std::size_t l = 0; l < 4; ++l) layers[l].demand = demand[l];
  ModelState model(layers, 100, 8);
  // The golden vector of the operator (equal residents: nothing to unbias).
  EXPECT_EQ(model.replan(*allocator("reasonalloc-dynamic")), (Budgets{137, 69, 48, 146}));
}

TEST(ReasonAllocDynamic, judges_a_starved_layer_by_the_part_it_needs) {
  std::vector<MadeLayer> layers = layers_with_counts({0, 0}, 92);
  layers[1].score[0].resize(392);
  layers[0].demand = 90, layers[1].demand = 100;
  ModelState model(layers, 100, 8);
  const Budgets guarded = model.replan(*allocator("reasonalloc-dynamic:gamma=1"));
  EXPECT_GT(guarded[0], guarded[1]) << "layer 0 needs 90 of its 100 entries, layer 1 100 of its 400";
  const Budgets counted = model.replan(*allocator("reasonalloc-dynamic:gamma=1,unbias=0"));
  EXPECT_LT(counted[0], counted[1]);
  EXPECT_EQ(sum(guarded), 200);
  EXPECT_GT(model.replan(*allocator("reasonalloc-dynamic:gamma=1"))[0], 100);
  EXPECT_GT(model.report().unused, 0) << "more than the 100 entries that layer 0 holds";
}

TEST(ReasonAllocDynamic, remembers_demand_when_told_to_smooth) {
  std::vector<MadeLayer> layers = layers_with_counts({0, 0}, 392);
  layers[0].demand = 300, layers[1].demand = 100;
  ModelState model(layers, 100, 8);
  const auto rule = allocator("reasonalloc-dynamic:smooth=0.5");
  model.replan(*rule, 0);
  EXPECT_EQ(model.memory(), (std::vector<double>{300, 100}));
  model.replan(*rule, 1);
  EXPECT_EQ(model.memory(), (std::vector<double>{300, 100}));
}

TEST(ReasonAllocDynamic, can_start_from_a_profile) {
  EXPECT_FALSE(allocator("reasonalloc-dynamic")->needs_profile());
  EXPECT_TRUE(allocator("reasonalloc-dynamic:start=profile")->needs_profile());
}

TEST(EveryReplanningAllocator, keeps_total_and_minimum_and_repeats_itself) {
  const unsigned seed = 1234;
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 300; ++round) {
    ModelState model = random_model(random);
    const auto least = static_cast<std::int32_t>((model.window() + 1) * model.n_kv_heads());
    for (const std::string text :
         {"cake", "cake:cascade=off", "dynamickv", "dynamickv:group=1,radio=1", "oracle", "oracle:order=mass",
          "reasonalloc-dynamic", "reasonalloc-dynamic:operator=waterfill,unbias=0",
          "reasonalloc-dynamic:clip=demand"}) {
      const auto rule = allocator(text);
      ASSERT_TRUE(rule->replans_layers());
      const Budgets budget = model.replan(*rule);
      if (text.starts_with("cake") || text.starts_with("dynamickv")) {
        EXPECT_LE(sum(budget), model.total()) << text << ": caps and stages can leave some unused";
      } else {
        EXPECT_EQ(sum(budget), model.total()) << text;
      }
      EXPECT_GE(*std::min_element(budget.begin(), budget.end()), least) << text;
      EXPECT_GE(model.report().unused, 0) << text;
      EXPECT_EQ(budget, model.replan(*rule)) << text;
    }
  }
}

TEST(EveryAllocator, that_replans_says_what_it_needs) {
  for (const ComponentSpec& spec : allocator_specs()) {
    const auto rule = allocator(std::string(spec.name));
    const ReplanNeeds needs = rule->replan_needs();
    const bool any = needs.scores || needs.future_mass || needs.dispersion || needs.demand_rho > 0;
    EXPECT_EQ(any, rule->replans_layers()) << spec.name;
  }
}

}  // namespace
}  // namespace kvwave::alloc
