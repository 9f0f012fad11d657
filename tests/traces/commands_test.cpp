// The commands info, dump and repair on traces of made-up numbers.
#include "traces/commands.h"

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/temporary_folder.h"
#include "tests/traces/trace_builder.h"
#include "traces/command_line.h"
#include "traces/error.h"

namespace kvwave::traces::testing {
namespace {

class TraceCommands : public ::testing::Test {
 protected:
  void SetUp() override { write_trace(folder_ / "t.h5", options_); }

  /// Standard output of a command that succeeds.
  static std::string output(int (*command)(std::span<const std::string>), const std::vector<std::string>& args) {
    ::testing::internal::CaptureStdout();
    const int code = command(args);
    std::fflush(stdout);
    EXPECT_EQ(code, kComplete);
    return ::testing::internal::GetCapturedStdout();
  }
  static auto lines(const std::string& text) { return std::count(text.begin(), text.end(), '\n'); }

  const TemporaryFolder folder_;
  const std::string trace_ = (folder_ / "t.h5").string();
  const MadeUp options_;
};

TEST_F(TraceCommands, info_prints_shape_levels_and_hash) {
  const std::string text = output(info_command, {trace_});
  const std::string hash = TraceReader(trace_).content_sha256();
  for (const std::string& part :
       {std::string("3 layers, 4 q_heads, 2 kv_heads, head_dim 8"),
        std::string("100: 40 of the prompt, 60 decode steps"), std::string("complete, stopped by token_limit"), hash,
        std::string("x of dense fp16 rows")}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
}

TEST_F(TraceCommands, info_prints_json) {
  const std::string text = output(info_command, {trace_, "--json", "--quick"});
  EXPECT_EQ(text.front(), '{');
  EXPECT_NE(text.find("\"n_steps\": 60"), std::string::npos) << text;
  EXPECT_NE(text.find("\"content_sha256\": null"), std::string::npos) << text;
}

TEST_F(TraceCommands, info_flags_loops) {
  TraceInfo info = made_up_info(options_);
  info.levels = {true, false, false, false};
  TraceWriter writer(folder_ / "loop.h5", info);
  for (std::uint32_t position = 0; position < 140; ++position) {
    auto row = writer.acquire();
    row->position = position;
    row->token_id = static_cast<std::int32_t>(position % 10);
    writer.submit(std::move(row));
  }
  writer.finish(StopReason::end_token);
  EXPECT_NE(output(info_command, {(folder_ / "loop.h5").string()}).find("largely a loop"), std::string::npos);
}

TEST_F(TraceCommands, dump_prints_a_header_and_one_line_per_value) {
  TraceRow row;
  fill_row(options_, 50, row);
  const std::string attention = output(dump_command, {trace_, "attention", "--row", "50"});
  EXPECT_EQ(lines(attention), 1 + static_cast<long>(row.attention_position.size()));
  EXPECT_EQ(attention.find("row,layer,q_head,position,attn_prob,residual\n"), 0U);
  EXPECT_EQ(lines(output(dump_command, {trace_, "demand", "--step", "0", "--layer", "1", "--q-head", "3"})), 1 + 2);
  EXPECT_EQ(lines(output(dump_command, {trace_, "tokens"})), 1 + 100);
  EXPECT_EQ(lines(output(dump_command, {trace_, "q", "--row", "0"})), 1 + 3 * 4 * 8);
  EXPECT_EQ(lines(output(dump_command, {trace_, "k", "--row", "0", "--kv-head", "1"})), 1 + 3 * 8);
  EXPECT_EQ(lines(output(dump_command, {trace_, "v", "--step", "59", "--layer", "2"})), 1 + 2 * 8);
  EXPECT_EQ(lines(output(dump_command, {trace_, "demand"})), 1 + (100 - 8) * 3 * 4 * 2);
}

TEST_F(TraceCommands, dump_refuses_selections_that_make_no_sense) {
  const std::vector<std::vector<std::string>> bad = {
      {trace_},
      {trace_, "queries"},
      {trace_, "attention", "--row", "100"},
      {trace_, "attention", "--row", "-1"},
      {trace_, "attention", "--row", "1", "--step", "1"},
      {trace_, "attention", "--kv-head", "0"},
      {trace_, "k", "--q-head", "0"},
      {trace_, "tokens", "--layer", "0"},
      {trace_, "k", "--layer", "3"},
      {trace_, "k", "--colour", "red"},
  };
  for (const auto& args : bad) EXPECT_THROW(dump_command(args), UsageError);
}

TEST_F(TraceCommands, name_the_level_that_is_missing) {
  MadeUp options;
  options.levels = {true, true, false, false};
  write_trace(folder_ / "small.h5", options);
  EXPECT_THROW(dump_command(std::vector<std::string>{(folder_ / "small.h5").string(), "k"}), MissingLevel);
}

TEST_F(TraceCommands, repair_copies_and_needs_an_output) {
  const std::string fixed = (folder_ / "fixed.h5").string();
  output(repair_command, {trace_, "-o", fixed});
  EXPECT_EQ(TraceReader(fixed).n_positions(), 100U);
  EXPECT_THROW(repair_command(std::vector<std::string>{trace_, "-o", fixed}), OutputExists);
  output(repair_command, {trace_, "-f", "-o", fixed});
  EXPECT_THROW(repair_command(std::vector<std::string>{trace_}), UsageError);
  EXPECT_THROW(repair_command(std::vector<std::string>{"-o", fixed}), UsageError);
}

TEST_F(TraceCommands, print_help_and_succeed) {
  for (auto* command : {info_command, dump_command, repair_command}) {
    EXPECT_NE(output(command, {"--help"}).find("usage: kvwave"), std::string::npos);
  }
}

}  // namespace
}  // namespace kvwave::traces::testing
