// headkv, duoattention and lukv: fixed budgets per head from a table.
#include <algorithm>
#include <cmath>
#include <random>

#include <gtest/gtest.h>

#include "alloc/error.h"
#include "tests/alloc/make_component.h"

namespace kvwave::alloc {
namespace {

using Budgets = std::vector<std::int32_t>;

struct Model {
  std::uint32_t layers = 2, kv_heads = 2, q_heads = 2, window = 8;
};

LayerPlan plan(const std::string& text, const Model& model, std::uint32_t budget, const HeadTable& table) {
  LayerPlanInput input;
  input.n_layers = model.layers;
  input.n_kv_heads = model.kv_heads;
  input.n_q_heads = model.q_heads;
  input.budget = budget;
  input.window = model.window;
  input.table = &table;
  return allocator(text)->layer_plan(input);
}

HeadTable table_of(std::uint32_t layers, std::uint32_t heads, std::vector<double> value) {
  return {.n_layers = layers, .n_heads = heads, .value = std::move(value)};
}

TEST(HeadKv, matches_the_golden_vector) {
  const HeadTable table = table_of(2, 2, {.4, .3, .2, .1});
  for (const std::string text : {"headkv:total=upstream", "headkv"}) {
    const LayerPlan p = plan(text, Model{}, 128, table);
    EXPECT_EQ(p.head_budget, (Budgets{191 + 8, 144 + 8, 96 + 8, 49 + 8})) << text;
    EXPECT_EQ(p.budget, (Budgets{335 + 16, 145 + 16})) << text;
    EXPECT_EQ(p.realised, 4 * 128) << text;
    EXPECT_EQ(p.nominal, 4 * 128) << text;
  }
}

TEST(HeadKv, in_the_ports_form_grants_the_window_twice) {
  const HeadTable table = table_of(2, 2, {1, 1, 1, 1});
  EXPECT_EQ(plan("headkv:form=port,total=upstream", Model{}, 128, table).realised, 4 * (128 + 8));
  EXPECT_EQ(plan("headkv:form=port", Model{}, 128, table).realised, 4 * 128);
}

TEST(HeadKv, reduces_query_heads_to_their_kv_head) {
  const Model grouped{.layers = 1, .kv_heads = 2, .q_heads = 4};
  const HeadTable table = table_of(1, 4, {.5, .1, .3, .3});
  EXPECT_EQ(plan("headkv", grouped, 128, table).head_budget, (Budgets{128, 128}));
  const Budgets by_max = plan("headkv:group=max", grouped, 128, table).head_budget;
  EXPECT_GT(by_max[0], by_max[1]);
  // The same table serves query-head caches as it is.
  const Model query_caches{.layers = 1, .kv_heads = 4, .q_heads = 4};
  EXPECT_GT(plan("headkv", query_caches, 128, table).head_budget[0], 150);
}

TEST(HeadKv, with_temp_0_is_uniform) {
  const HeadTable table = table_of(2, 2, {.4, .3, .2, .1});
  EXPECT_EQ(plan("headkv:temp=0", Model{}, 64, table).head_budget, (Budgets{64, 64, 64, 64}));
}

TEST(HeadKv, refuses_tables_that_do_not_fit_and_names_both_shapes) {
  const HeadTable table = table_of(3, 2, std::vector<double>(6, 1));
  try {
    plan("headkv", Model{.layers = 2, .kv_heads = 3, .q_heads = 9}, 128, table);
    FAIL();
  } catch (const BadTable& error) {
    EXPECT_STREQ(error.what(),
                 "headkv: the table has 3 layers of 2 heads, the model 2 layers of 3 KV heads (9 query heads)");
  }
  LayerPlanInput none;
  none.n_layers = none.n_kv_heads = 2;
  none.budget = 64;
  EXPECT_THROW(allocator("headkv")->layer_plan(none), BadTable);
  EXPECT_THROW(plan("headkv", Model{}, 128, table_of(2, 2, {1, 1, 1, -1})), BadTable);
  EXPECT_THROW(plan("headkv", Model{}, 128, table_of(2, 2, {0, 0, 0, 0})), BadTable);
}

TEST(HeadKv, keeps_the_total_and_a_candidate_per_head_for_random_tables) {
  const unsigned seed = 99;
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> unit(0, 1);
  for (int round = 0; round < 300; ++round) {
    Model model;
    model.layers = 1 + static_cast<std::uint32_t>(random() % 40);
    model.kv_heads = model.q_heads = 1 + static_cast<std::uint32_t>(random() % 9);
    std::vector<double> value(std::size_t{model.layers} * model.kv_heads);
    for (double& v : value) v = random() % 3 == 0 ? 1e-9 : std::pow(unit(random), 6);
    const HeadTable table = table_of(model.layers, model.kv_heads, value);
    const auto budget = static_cast<std::uint32_t>(9 + random() % 300);
    for (const std::string text : {"headkv", "headkv:beta=2,temp=0.5", "headkv:form=port", "headkv:total=upstream"}) {
      const LayerPlan p = plan(text, model, budget, table);
      EXPECT_GE(*std::min_element(p.head_budget.begin(), p.head_budget.end()), 9) << text;
      EXPECT_EQ(sum(p.budget), p.realised) << text;
      EXPECT_EQ(sum(p.head_budget), p.realised) << text;
      if (text != "headkv:total=upstream") {
        EXPECT_EQ(p.realised, p.nominal) << text;
      }
      for (std::size_t i = 0; i < value.size(); ++i) {
        for (std::size_t j = 0; j < i; ++j) {
          if (value[i] >= value[j] + 1e-12 && text == "headkv:total=upstream") {
            EXPECT_GE(p.head_budget[i], p.head_budget[j]);
          }
        }
      }
    }
  }
}

TEST(DuoAttention, streams_the_lowest_gates_by_the_quantile_rule) {
  const HeadTable table = table_of(2, 2, {.1, .9, .5, .7});
  // ceil(0.5 * 3) = 2 heads stream.
  const LayerPlan p = plan("duoattention", Model{}, 64, table);
  EXPECT_EQ(p.head_budget, (Budgets{64, kUnlimited, 64, kUnlimited}));
  EXPECT_EQ(p.unlimited_heads, 2U);
  EXPECT_EQ(p.budget, (Budgets{64, 64}));
  EXPECT_EQ(p.realised, 128);
  EXPECT_EQ(plan("duoattention:sparsity=0.7", Model{}, 64, table).unlimited_heads, 1U);  // ceil(2.1) = 3 stream
  EXPECT_EQ(plan("duoattention:sparsity=1", Model{}, 64, table).unlimited_heads, 0U);
  EXPECT_EQ(plan("duoattention:sparsity=0", Model{}, 64, table).unlimited_heads, 4U);
  // kvpress rounds 0.6 * 4 = 2.4 to 2.
  EXPECT_EQ(plan("duoattention:sparsity=0.6,form=kvpress", Model{}, 64, table).unlimited_heads, 2U);
}

TEST(DuoAttention, breaks_ties_for_the_lower_layer_and_head_after_clipping) {
  const HeadTable table = table_of(2, 2, {1.5, 1, 2, -3});
  EXPECT_EQ(plan("duoattention", Model{}, 64, table).head_budget, (Budgets{kUnlimited, kUnlimited, 64, 64}));
}

TEST(DuoAttention, repeats_gates_for_query_head_caches) {
  LayerPlanInput input;
  input.n_layers = 1;
  input.n_kv_heads = input.n_q_heads = 4;
  input.n_model_kv_heads = 2;
  input.budget = 64;
  const HeadTable table = table_of(1, 2, {1, 0});
  input.table = &table;
  EXPECT_EQ(allocator("duoattention")->layer_plan(input).head_budget, (Budgets{kUnlimited, kUnlimited, 64, 64}));
}

TEST(LuKv, reads_the_plane_of_its_ratio) {
  HeadTable table;
  table.n_planes = 99;
  table.n_layers = 1;
  table.n_heads = 2;
  for (int i = 1; i <= 99; ++i) {
    // The second head loses everything first.
    table.value.push_back(std::max(0.0, 2 * i / 100.0 - 1));
    table.value.push_back(std::min(1.0, 2 * i / 100.0));
  }
  const Model model{.layers = 1, .kv_heads = 2, .q_heads = 2};
  // At 0.8: head 0 keeps 0.4, head 1 nothing but its floor.
  EXPECT_EQ(plan("lukv", model, 100, table).head_budget, (Budgets{191, 9}));
  // At 0.3 head 0 keeps 1, head 1 0.4; a cache of 100 / 0.7 entries.
  EXPECT_EQ(plan("lukv:ratio=0.3,total=upstream", model, 100, table).head_budget, (Budgets{143, 57}));
  EXPECT_EQ(plan("lukv:ratio=0.3", model, 100, table).head_budget, (Budgets{143, 57}));
  HeadTable plain = table_of(1, 2, {.5, .5});
  EXPECT_THROW(plan("lukv", model, 100, plain), BadTable);
}

}  // namespace
}  // namespace kvwave::alloc
