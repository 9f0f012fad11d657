// What results.h5 says of strategies whose entries come back, and of caches that query heads have for themselves.
#include <algorithm>

#include <gtest/gtest.h>

#include "replay/commands.h"
#include "replay/error.h"
#include "tests/replay/synthetic_trace.h"
#include "traces/array_file.h"
#include "traces/command_line.h"
#include "traces/error.h"

namespace kvwave::replay {
namespace {

using Shape = std::vector<std::uint64_t>;

std::string write_small_trace(const TemporaryFolder& folder, bool qkv) {
  SyntheticOptions options;
  options.shape = {.n_layers = 3, .n_q_heads = 4, .n_kv_heads = 2, .head_dim = 8};
  options.n_positions = 70;
  options.levels.qkv = qkv;
  write_synthetic(folder / "trace.h5", options);
  return (folder / "trace.h5").string();
}

TEST(ResultsFile, holds_what_selections_and_offload_read_in_each_step) {
  const TemporaryFolder folder;
  const std::string results = (folder / "results.h5").string();
  ::testing::internal::CaptureStdout();
  const std::vector<std::string> words = {write_small_trace(folder, true),
                                          "-s",
                                          "uniform/quest:page=4",
                                          "-s",
                                          "uniform/lru:page=4,wanted=6",
                                          "-s",
                                          "uniform/h2o:heads=query",
                                          "-b",
                                          "16",
                                          "-o",
                                          results,
                                          "--no-controls",
                                          "--quiet"};
  EXPECT_EQ(replay_command(words), traces::kComplete);
  ::testing::internal::GetCapturedStdout();
  const traces::ArrayFileReader file(results);
  EXPECT_EQ(file.strings("/config/kind"), (std::vector<std::string>{"selection", "offload", "destructive"}));
  const std::string trace = "/trace_0000/config_000";
  const std::uint64_t n_steps = 50, words_per_line = 1;
  EXPECT_EQ(file.shape(trace + "0/visible_pages"), (Shape{3, 4, n_steps, words_per_line}));
  EXPECT_EQ(file.number_attribute(trace + "0/visible_pages", "page"), 4);
  EXPECT_FALSE(file.has(trace + "0/moved")) << "a selection moves nothing";
  EXPECT_FALSE(file.has(trace + "0/evicted_at"));
  EXPECT_EQ(file.shape(trace + "1/visible_pages"), (Shape{3, 2, n_steps, words_per_line}));
  EXPECT_EQ(file.shape(trace + "1/moved"), (Shape{3, 2, n_steps}));
  EXPECT_EQ(file.shape(trace + "2/evicted_at"), (Shape{3, 4, 70}));
  EXPECT_EQ(file.shape(trace + "2/budget"), (Shape{1, 3, 4}));
  EXPECT_EQ(file.shape(trace + "2/resident"), (Shape{4, 3, 2}));
  const std::vector<std::uint32_t> moved = file.uints(trace + "1/moved");
  EXPECT_GT(*std::max_element(moved.begin(), moved.end()), 0U);
  // Layer 0 of Quest is dense: its last step reads the 18 pages of 70 positions.
  EXPECT_EQ(file.uints(trace + "0/visible_pages")[n_steps - 1], (1U << 18U) - 1);
}

TEST(Trap, no_27_policies_of_rows_are_refused_where_only_parts_of_rows_were_recorded) {
  const TemporaryFolder folder;
  const std::string trace = write_small_trace(folder, false);
  for (const std::string strategy : {"uniform/h2o", "uniform/tova", "uniform/lru", "uniform/quest", "cake/streaming"}) {
    try {
      replay_command(std::vector<std::string>{trace, "-s", strategy, "-b", "16", "--quiet"});
      ADD_FAILURE() << strategy;
    } catch (const traces::MissingLevel& error) {
      const std::string message = error.what();
      EXPECT_NE(message.find(strategy + " needs queries, keys (level qkv)"), std::string::npos) << message;
      EXPECT_NE(message.find("--levels"), std::string::npos) << "how to record it: " << message;
    }
  }
}

}  // namespace
}  // namespace kvwave::replay
