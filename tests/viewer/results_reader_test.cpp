#include "replay/results_reader.h"

#include <gtest/gtest.h>

#include "replay/error.h"
#include "tests/viewer/small_results.h"
#include "traces/array_file.h"
#include "traces/error.h"

namespace kvwave::replay {
namespace {

/// A results file of one configuration, with one thing wrong at a time.
struct Made {
  std::string format = "kvwave-results";
  std::int64_t version = 1, n_kv_heads = 1, bin_steps = 2;
  std::vector<std::int32_t> budget = {8}, baseline = {0}, refresh = {-1, 3};
  std::uint64_t evicted_positions = 6;
  bool with_trace = true;
};

void write(const std::filesystem::path& path, const Made& made) {
  traces::ArrayFileWriter file(path, true);
  const std::vector<std::string> strategy = {"uniform/rkv"}, kind = {"destructive"};
  const std::vector<std::int32_t> zero = {0};
  const std::vector<std::uint64_t> one = {1};
  const auto ints = [](const std::vector<std::int32_t>& v) { return std::span<const std::int32_t>(v); };
  file.write("/config/strategy", strategy);
  file.write("/config/full_text", strategy);
  file.write("/config/kind", kind);
  file.write("/config/budget", std::vector<std::uint64_t>{made.budget.size()}, ints(made.budget));
  file.write("/config/control", one, ints(zero));
  file.write("/config/baseline", one, ints(made.baseline));
  if (made.with_trace) {
    const std::vector<std::int32_t> evicted(made.evicted_positions, 1), budgets(made.refresh.size(), 4);
    file.write("/trace_0000/config_0000/evicted_at", std::vector<std::uint64_t>{1, 1, made.evicted_positions},
               ints(evicted));
    file.write("/trace_0000/config_0000/refresh_step", std::vector<std::uint64_t>{made.refresh.size()},
               ints(made.refresh));
    file.write("/trace_0000/config_0000/budget", std::vector<std::uint64_t>{made.refresh.size(), 1, 1}, ints(budgets));
    file.attribute("/trace_0000", "name", std::string_view("t.h5"));
    file.attribute("/trace_0000", "content_sha256", std::string(64, 'a'));
    file.attribute("/trace_0000", "n_prompt", std::int64_t{2});
    file.attribute("/trace_0000", "n_steps", std::int64_t{4});
    file.attribute("/trace_0000", "bin_steps", made.bin_steps);
    file.attribute("/trace_0000", "repeated_8grams", 0.0);
  }
  file.attribute("/", "format", made.format);
  file.attribute("/", "format_version", made.version);
  for (const char* size : {"n_layers", "n_q_heads", "head_dim"}) file.attribute("/", size, std::int64_t{1});
  file.attribute("/", "n_kv_heads", made.n_kv_heads);
  file.commit();
}

std::string refusal(const Made& made) {
  const TemporaryFolder folder;
  write(folder / "r.h5", made);
  try {
    const ResultsReader reader(folder / "r.h5");
    reader.evicted_at(0, 0);
    reader.budgets(0, 0);
  } catch (const BadResults& error) {
    return error.what();
  }
  return "";
}

TEST(ResultsReader, reads_what_replay_wrote) {
  const ResultsReader reader(viewer::small_results().results);
  EXPECT_GE(reader.configurations().size(), 4U);
  EXPECT_EQ(reader.traces().at(0).name, "small.h5");
  EXPECT_EQ(reader.traces().at(0).n_prompt, 20U);
  const auto& metrics = reader.metrics();
  EXPECT_NE(std::find(metrics.begin(), metrics.end(), "retained_mass"), metrics.end());
  for (const std::string& metric : metrics) EXPECT_FALSE(reader.per_head(0, metric).empty()) << metric;
  EXPECT_EQ(reader.figure(0, "no_such_figure").size(), 0U);
}

TEST(ResultsReader, a_good_file_made_by_hand_opens) {
  EXPECT_EQ(refusal({}), "");
}

TEST(ResultsReader, names_each_thing_that_is_wrong) {
  EXPECT_NE(refusal({.format = "other"}).find("is no results file"), std::string::npos);
  EXPECT_NE(refusal({.version = 2}).find("version 2"), std::string::npos);
  EXPECT_NE(refusal({.n_kv_heads = 0}).find("n_kv_heads"), std::string::npos);
  EXPECT_NE(refusal({.n_kv_heads = 1 << 30}).find("n_kv_heads"), std::string::npos);
  EXPECT_NE(refusal({.bin_steps = 0}).find("bin_steps"), std::string::npos);
  EXPECT_NE(refusal({.budget = {1, 2}}).find("different lengths"), std::string::npos);
  EXPECT_NE(refusal({.budget = {-1}}).find("budget"), std::string::npos);
  EXPECT_NE(refusal({.baseline = {7}}).find("baseline"), std::string::npos);
  EXPECT_NE(refusal({.refresh = {3, 3}}).find("ascend"), std::string::npos);
  EXPECT_NE(refusal({.evicted_positions = 5}).find("expected [1, 1, 6]"), std::string::npos);
  EXPECT_NE(refusal({.with_trace = false}).find("no trace"), std::string::npos);
}

TEST(ResultsReader, a_trace_is_no_results_file) {
  EXPECT_ANY_THROW(ResultsReader(viewer::small_results().trace));
}

}  // namespace
}  // namespace kvwave::replay
