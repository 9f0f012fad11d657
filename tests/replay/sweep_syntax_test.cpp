// Lists in strategies and sweeps from files: what they stand for, and what is refused.
#include "replay/sweep_syntax.h"

#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "alloc/error.h"
#include "replay/error.h"
#include "replay/sweep_file.h"
#include "tests/replay/synthetic_trace.h"

namespace kvwave::replay {
namespace {

using Words = std::vector<std::string>;

TEST(SweepSyntax, a_text_without_lists_stands_for_itself) {
  EXPECT_EQ(expand_lists("uniform/rkv:lambda=0.1"), Words{"uniform/rkv:lambda=0.1"});
}

TEST(SweepSyntax, lists_stand_for_every_combination_the_last_fastest) {
  EXPECT_EQ(expand_lists("reasonalloc:mu=[0.1,0.25],gamma=1/rkv:lambda=[0,1]"),
            (Words{"reasonalloc:mu=0.1,gamma=1/rkv:lambda=0", "reasonalloc:mu=0.1,gamma=1/rkv:lambda=1",
                   "reasonalloc:mu=0.25,gamma=1/rkv:lambda=0", "reasonalloc:mu=0.25,gamma=1/rkv:lambda=1"}));
}

TEST(SweepSyntax, refuses_brackets_that_are_no_list) {
  for (const char* text : {"a:b=[1/c", "a:b=1]/c", "a:b=[[1]]/c", "a:b=[]/c", "a:b=[1,]/c", "a[1]/c", "a:b=[1]2/c"}) {
    EXPECT_THROW(expand_lists(text), alloc::BadStrategy) << text;
  }
}

TEST(SweepSyntax, refuses_more_combinations_than_a_machine_should_try) {
  std::string list = "[0";
  for (int i = 1; i < 100; ++i) list.append(",").append(std::to_string(i));
  list += "]";
  EXPECT_EQ(expand_lists(std::string("a:b=").append(list).append("/c")).size(), 100U);
  EXPECT_THROW(expand_lists(std::string("a:b=").append(list).append(",d=").append(list).append("/c")),
               alloc::BadStrategy);
}

class SweepFiles : public ::testing::Test {
 protected:
  SweepFile read(const std::string& text) {
    std::ofstream(folder_ / "sweep.json") << text;
    return read_sweep_file(folder_ / "sweep.json");
  }
  std::string refusal(const std::string& text) {
    try {
      read(text);
    } catch (const BadSweepFile& error) {
      return error.what();
    }
    ADD_FAILURE() << "not refused: " << text;
    return "";
  }
  TemporaryFolder folder_;
};

TEST_F(SweepFiles, hold_strategies_as_texts_and_as_objects) {
  const SweepFile sweep = read(R"({"kvwave_sweep": 1, "strategies": ["uniform/rkv:lambda=[0,1]", {"allocator": "full"},
    {"allocator": "reasonalloc", "allocator_parameters": {"mu": [0.1, 0.25], "operator": "waterfill"}, "scorer": "rkv"}],
    "budgets": [64, 128], "metrics": ["mass"], "controls": false, "baseline": "uniform/rkv", "equal_within": 0.01,
    "seed": 7, "resamples": 500})");
  EXPECT_EQ(sweep.strategies,
            (Words{"uniform/rkv:lambda=0", "uniform/rkv:lambda=1", "full", "reasonalloc:mu=0.1,operator=waterfill/rkv",
                   "reasonalloc:mu=0.25,operator=waterfill/rkv"}));
  EXPECT_EQ(sweep.budgets, (std::vector<std::uint32_t>{64, 128}));
  EXPECT_EQ(sweep.controls, false);
  EXPECT_EQ(sweep.seed, 7U);
  EXPECT_EQ(sweep.resamples, 500U);
  EXPECT_EQ(sweep.equal_within, 0.01);
}

TEST_F(SweepFiles, refuse_what_they_do_not_know_and_name_it) {
  EXPECT_NE(refusal(R"({"kvwave_sweep": 1, "budget": [64]})").find("did you mean 'budgets'"), std::string::npos);
  EXPECT_NE(refusal(R"({"kvwave_sweep": 1, "budgets": [0]})").find("[1, 1000000]"), std::string::npos);
  EXPECT_NE(refusal(R"({"kvwave_sweep": 1, "budgets": [1e99]})").find("budgets"), std::string::npos);
  EXPECT_NE(refusal(R"({"kvwave_sweep": 2})").find("kvwave_sweep"), std::string::npos);
  EXPECT_NE(refusal("[]").find("no sweep"), std::string::npos);
  EXPECT_NE(refusal("{").find("JSON"), std::string::npos);
  EXPECT_NE(refusal(R"({"kvwave_sweep": 1, "strategies": [{"scorer": "rkv"}]})").find("allocator"), std::string::npos);
  EXPECT_NE(refusal(R"({"kvwave_sweep": 1, "strategies": [{"allocator": "a/b", "scorer": "rkv"}]})").find("'/'"),
            std::string::npos);
  EXPECT_NE(refusal(R"({"kvwave_sweep": 1, "seed": -1})").find("seed"), std::string::npos);
  EXPECT_NE(refusal(std::string(2 << 20, ' ')).find("1 MiB"), std::string::npos);
}

TEST_F(SweepFiles, survive_a_file_cut_at_any_byte) {
  const std::string text = R"({"kvwave_sweep": 1, "strategies": ["uniform/rkv"], "budgets": [64]})";
  for (std::size_t n = 0; n < text.size(); ++n) EXPECT_THROW(read(text.substr(0, n)), BadSweepFile) << n;
}

TEST_F(SweepFiles, deep_nesting_is_refused_and_no_crash) {
  EXPECT_THROW(read(std::string(100'000, '[')), BadSweepFile);
}

}  // namespace
}  // namespace kvwave::replay
