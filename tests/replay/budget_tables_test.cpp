// Tables in and out, against files that numpy and json wrote (tests/fixtures/make_budget_tables.py).
#include "replay/budget_tables.h"

#include <cmath>
#include <fstream>
#include <iterator>
#include <random>

#include <gtest/gtest.h>

#include "alloc/allocator.h"
#include "alloc/error.h"
#include "alloc/strategy.h"
#include "replay/error.h"
#include "replay/profile_export.h"
#include "replay/sweep.h"
#include "tests/file_bytes.h"
#include "tests/temporary_folder.h"
#include "traces/command_line.h"
#include "traces/error.h"

namespace kvwave::replay {
namespace {

std::string data(const std::string& name) {
  return std::string(KVWAVE_TEST_DATA "/tables/") + name;
}

class BudgetTables : public testing::Test {
 protected:
  std::string write(const std::string& bytes) {
    const std::string path = (folder_.path() / "table").string();
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }
  std::string refusal(const std::string& bytes) {
    const std::string path = write(bytes);
    try {
      read_budget_table(path);
    } catch (const BadTableFile& error) {
      const std::string text = error.what();
      EXPECT_TRUE(text.starts_with(path + ": ")) << text;
      return text.substr(path.size() + 2);
    }
    return "accepted";
  }
  TemporaryFolder folder_;
};

TEST_F(BudgetTables, of_duoattention_are_read_as_numpy_writes_them) {
  const alloc::HeadTable table = read_budget_table(data("full_attention_heads.tsv"));
  EXPECT_EQ(table.n_layers, 4U);
  EXPECT_EQ(table.n_heads, 2U);
  for (std::size_t l = 0; l < 4; ++l) {
    for (std::size_t h = 0; h < 2; ++h) EXPECT_EQ(table.at(l, h), static_cast<double>(l * 2 + h) / 16);
  }
  EXPECT_EQ(table_bytes(TableFormat::duoattention, table), file_bytes(data("full_attention_heads.tsv")));
}

TEST_F(BudgetTables, of_headkv_are_read_by_their_keys) {
  const alloc::HeadTable table = read_budget_table(data("retrieval_heads.json"));
  EXPECT_EQ(table.n_layers, 4U);
  EXPECT_EQ(table.n_heads, 4U);
  for (std::size_t i = 0; i < 16; ++i) EXPECT_EQ(table.value[i], static_cast<double>(i + 1) / 16);
  const std::string path = write(table_bytes(TableFormat::headkv, table));
  EXPECT_EQ(read_budget_table(path).value, table.value);
  EXPECT_EQ(file_bytes(path).find('\n'), file_bytes(path).size() - 1) << "HeadKV reads one line";
  EXPECT_EQ(read_budget_table(write(R"({"1-0": 3, "0-0": [1, 2]})")).value, (std::vector<double>{1.5, 3}));
}

TEST_F(BudgetTables, of_lukv_are_read_and_written_as_numpy_does) {
  const alloc::HeadTable table = read_budget_table(data("curve.npy"));
  EXPECT_EQ(table.n_planes, 99U);
  EXPECT_EQ(table.n_layers, 4U);
  EXPECT_EQ(table.n_heads, 2U);
  EXPECT_EQ(table.at(3, 0, 98), 99.0 / 128);
  EXPECT_EQ(table.at(0, 1, 0), 1.25 / 128);
  EXPECT_EQ(table_bytes(TableFormat::lukv, table), file_bytes(data("curve.npy")));
  EXPECT_EQ(read_budget_table(data("plain_f8.npy")).value, read_budget_table(data("full_attention_heads.tsv")).value);
}

TEST_F(BudgetTables, that_do_not_hold_a_table_are_refused) {
  EXPECT_EQ(refusal(""), "holds no row");
  EXPECT_EQ(refusal("# nothing\n"), "holds no row");
  EXPECT_EQ(refusal("1\t2\n3\n"), "row 2 has 1 columns, row 1 has 2");
  EXPECT_EQ(refusal("1\tx\n"), "row 1, column 2: expected a finite number, tab-separated");
  EXPECT_EQ(refusal("1\tnan\n"), "row 1, column 2: expected a finite number, tab-separated");
  EXPECT_EQ(refusal("{"), "is not valid JSON");
  EXPECT_EQ(refusal("{}"), "expected a score for each of 0 layers of 0 heads, found 0");
  EXPECT_EQ(refusal(R"({"0-1": [1]})"), "expected a score for each of 1 layers of 2 heads, found 1");
  EXPECT_EQ(refusal(R"({"0-0": [1], "0-00": [1], "1-1": [1], "1-0": [1]})"), "names a head twice");
  EXPECT_EQ(refusal(R"({"0-0": []})"), "'0-0': expected a list of finite numbers");
  EXPECT_EQ(refusal(R"({"0-9999": [1]})"), "key '0-9999': expected LAYER-HEAD, each below 4096");
  EXPECT_EQ(refusal(R"({"zero": [1]})"), "key 'zero': expected LAYER-HEAD, each below 4096");
  EXPECT_EQ(refusal(file_bytes(data("fortran.npy"))), "expected C order (fortran_order False)");
  EXPECT_EQ(refusal(file_bytes(data("integers.npy"))), "expected values of type <f2, <f4 or <f8, got <i8");
  const std::string curve = file_bytes(data("curve.npy"));
  EXPECT_EQ(refusal(curve.substr(0, curve.size() - 4)), "shape [99, 4, 2] of <f4 does not fill the 3164 bytes after the header");
  EXPECT_EQ(refusal(curve.substr(0, 9)), "ends inside its header");
  EXPECT_EQ(refusal(curve.substr(0, 40)), "ends inside its header");
  EXPECT_THROW(read_budget_table(folder_.path()), BadTableFile);
  EXPECT_THROW(read_budget_table(folder_.path() / "absent"), BadTableFile);
}

TEST_F(BudgetTables, never_crash_on_damaged_files) {
  const unsigned seed = 8585;
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  for (const std::string name : {"curve.npy", "plain_f8.npy", "retrieval_heads.json", "full_attention_heads.tsv"}) {
    const std::string good = file_bytes(data(name));
    for (int round = 0; round < 80; ++round) {
      std::string bad = good;
      for (unsigned flips = 1 + random() % 4; flips > 0; --flips) {
        bad[random() % std::min<std::size_t>(bad.size(), 400)] = static_cast<char>(random());
      }
      if (random() % 3 == 0) bad.resize(random() % bad.size());
      try {
        const alloc::HeadTable table = read_budget_table(write(bad));
        EXPECT_EQ(table.value.size(), std::size_t{table.n_planes} * table.n_layers * table.n_heads);
      } catch (const BadTableFile&) {
      }
    }
  }
}

TEST_F(BudgetTables, give_every_head_its_budget_in_a_sweep) {
  Sequence sequence;
  sequence.n_layers = 4;
  sequence.n_q_heads = 4;
  sequence.n_kv_heads = 2;
  sequence.head_dim = 8;
  sequence.n_positions = 400;
  sequence.n_prompt = 40;
  const auto sweep_of = [&](const std::string& text) {
    SweepRequest request;
    request.strategies = {alloc::Strategy::parse(text)};
    request.budgets = {64};
    request.controls = false;
    return build_sweep(request, sequence, {});
  };
  const std::vector<std::int32_t> headkv =
      sweep_of("headkv:table=" + data("retrieval_heads.json") + "/rkv").simulations[0].plan.head_budget;
  EXPECT_EQ(headkv.size(), 8U);
  EXPECT_LT(headkv.front(), headkv.back());
  const auto duo = sweep_of("duoattention:table=" + data("full_attention_heads.tsv") + "/streaming");
  EXPECT_EQ(duo.simulations[0].plan.unlimited_heads, 4U);
  EXPECT_EQ(sweep_of("lukv:ratio=0.5,table=" + data("curve.npy") + "/snapkv").simulations[0].plan.head_budget.size(),
            8U);
  EXPECT_THROW(sweep_of("headkv/rkv"), alloc::BadTable);
  EXPECT_THROW(sweep_of("headkv:table=/no/such/file/rkv"), BadTableFile);
  sequence.n_layers = 5;
  try {
    sweep_of("lukv:table=" + data("curve.npy") + "/rkv");
    FAIL();
  } catch (const alloc::BadTable& error) {
    EXPECT_STREQ(error.what(),
                 "lukv: the table has 4 layers of 2 heads, the model 5 layers of 2 KV heads (4 query heads)");
  }
}

TEST_F(BudgetTables, carry_a_profile_out_and_back) {
  Profile profile;
  profile.demand = {400, 100, 50, 450};
  const ExportShape shape{.n_q_heads = 4, .n_kv_heads = 2, .budget = 100, .window = 8};
  const auto file = [&](const std::string& name) { return (folder_.path() / name).string(); };
  const std::vector<ExportTarget> targets = {parse_export("duoattention:" + file("a.tsv")),
                                             parse_export("headkv:" + file("b.json")),
                                             parse_export("lukv:" + file("c.npy"))};
  export_profile(profile, shape, targets, false);
  EXPECT_THROW(export_profile(profile, shape, targets, false), traces::OutputExists);

  alloc::LayerPlanInput input;
  input.n_layers = 4;
  input.n_kv_heads = 2;
  input.n_q_heads = 4;
  input.budget = 100;
  input.window = 8;
  input.demand = profile.demand;
  const auto plan = [&](const std::string& text) {
    const alloc::Component component = alloc::Strategy::parse(text + "/snapkv").allocator;
    alloc::HeadTable table;
    if (component.values.contains("table")) {
      table = read_budget_table(component.word("table"));
      input.table = &table;
    }
    return alloc::make_allocator(component)->layer_plan(input);
  };
  const std::vector<std::int32_t> wave = plan("reasonalloc-layer").budget;
  const alloc::LayerPlan scores = plan("headkv:beta=1,table=" + file("b.json"));
  const alloc::LayerPlan curve = plan("lukv:ratio=0.5,table=" + file("c.npy"));
  const alloc::LayerPlan gates = plan("duoattention:table=" + file("a.tsv"));
  for (std::size_t l = 0; l < 4; ++l) {
    EXPECT_NEAR(scores.budget[l], wave[l], 2) << "layer " << l;
    EXPECT_NEAR(curve.budget[l], wave[l], 2) << "layer " << l;
  }
  // The two layers with the largest budgets are full.
  EXPECT_EQ(gates.budget, (std::vector<std::int32_t>{0, 200, 200, 0}));
}

TEST_F(BudgetTables, are_exported_to_named_forms_only) {
  EXPECT_THROW(parse_export("headkv"), traces::UsageError);
  EXPECT_THROW(parse_export("headkv:"), traces::UsageError);
  EXPECT_THROW(parse_export("headvk:x"), traces::UsageError);
}

}  // namespace
}  // namespace kvwave::replay
