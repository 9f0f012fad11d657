// Folders, lists, shards, merged results and statistics over traces: what `replay` and `merge` do with more than one.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "replay/calibrate.h"
#include "replay/commands.h"
#include "replay/error.h"
#include "tests/file_bytes.h"
#include "tests/replay/synthetic_trace.h"
#include "traces/array_file.h"
#include "traces/command_line.h"
#include "traces/error.h"

namespace kvwave::replay {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

class ManyTraces : public ::testing::Test {
 protected:
  std::string trace(const std::string& name, std::uint64_t seed, const std::string& model = "synthetic",
                    std::uint32_t n_layers = 2) {
    SyntheticOptions options;
    options.shape = {.n_layers = n_layers, .n_q_heads = 4, .n_kv_heads = 2, .head_dim = 8};
    options.n_positions = 160;
    options.seed = seed;
    options.model_name = model;
    options.model_sha256 = std::string(64, model == "synthetic" ? 'a' : 'c');
    fs::create_directories((folder_ / name).parent_path());
    write_synthetic(folder_ / name, options);
    return file(name);
  }
  std::string five() {
    for (std::uint64_t seed = 1; seed <= 5; ++seed)
      trace(std::string("traces/").append(std::to_string(seed)).append(".h5"), seed);
    return file("traces");
  }
  std::string file(const std::string& name) const { return (folder_ / name).string(); }

  std::string run(int (*command)(std::span<const std::string>), const Words& words) {
    ::testing::internal::CaptureStdout();
    ::testing::internal::CaptureStderr();
    std::exception_ptr thrown;
    try {
      EXPECT_EQ(command(words), traces::kComplete);
    } catch (...) {
      thrown = std::current_exception();
    }
    std::fflush(stdout);
    const std::string out = ::testing::internal::GetCapturedStdout();
    err_ = ::testing::internal::GetCapturedStderr();
    if (thrown) std::rethrow_exception(thrown);
    return out;
  }
  std::string replay(Words words) {
    words.insert(words.end(), {"--quiet", "--resamples", "200"});
    return run(replay_command, words);
  }
  // All outputs of a command under the names NAME.*, its table as NAME.txt.
  Words outputs(const std::string& name) const {
    return {"-o",     file(name + ".h5"),   "--csv",        file(name + ".csv"),
            "--json", file(name + ".json"), "--statistics", file(name + ".st.csv")};
  }
  static Words joined(Words words, const Words& more) {
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  template <class Error>
  std::string refusal(const Words& words, int (*command)(std::span<const std::string>) = replay_command) {
    try {
      run(command, words);
    } catch (const Error& error) {
      return error.what();
    }
    ADD_FAILURE() << "was not refused as expected";
    return "";
  }
  static void expect_contains(const std::string& text, const std::string& part) {
    EXPECT_NE(text.find(part), std::string::npos) << "'" << part << "' is not in: " << text;
  }

  TemporaryFolder folder_;
  std::string err_;
};

const Words kSweep = {"-b", "32,64", "-s", "uniform/rkv:buffer=16", "-s", "reasonalloc/rkv:buffer=16"};

TEST_F(ManyTraces, three_shards_merged_are_byte_for_byte_one_run) {
  const std::string traces = five();
  const std::string table = replay(joined(joined({traces}, kSweep), outputs("one")));
  Words shards;
  for (const char* shard : {"2", "1", "3"}) {
    shards.push_back(file(std::string("shard") + shard + ".h5"));
    replay(joined(joined({traces}, kSweep), {"--shard", std::string(shard) + "/3", "-o", shards.back()}));
  }
  const std::string merged = run(merge_command, joined(shards, outputs("merged")));
  EXPECT_EQ(merged, table);
  for (const char* ending : {".h5", ".csv", ".json", ".st.csv"}) {
    EXPECT_EQ(file_bytes(file(std::string("merged") + ending)), file_bytes(file(std::string("one") + ending)))
        << ending;
    EXPECT_FALSE(file_bytes(file(std::string("one") + ending)).empty());
  }
}

TEST_F(ManyTraces, the_number_of_threads_changes_no_byte) {
  const std::string traces = five();
  replay(joined(joined({traces, "--threads", "1"}, kSweep), {"-o", file("a.h5")}));
  replay(joined(joined({traces, "--threads", "4"}, kSweep), {"-o", file("b.h5")}));
  EXPECT_EQ(file_bytes(file("a.h5")), file_bytes(file("b.h5")));
}

TEST_F(ManyTraces, merge_names_missing_doubled_and_foreign_shards) {
  const std::string traces = five();
  for (const char* shard : {"1", "2", "3"}) {
    replay({traces, "-b", "32", "-s", "uniform/rkv", "--shard", std::string(shard) + "/3", "-o",
            file(std::string(shard) + ".h5")});
  }
  replay({traces, "-b", "64", "-s", "uniform/rkv", "--shard", "3/3", "-o", file("other.h5")});
  replay({traces, "-b", "32", "-s", "uniform/rkv", "--seed", "9", "--shard", "3/3", "-o", file("seed.h5")});
  expect_contains(refusal<UnequalResults>({file("1.h5"), file("3.h5")}, merge_command), "2/3 is missing");
  expect_contains(refusal<DuplicateTrace>({file("1.h5"), file("1.h5")}, merge_command), "same recording");
  expect_contains(refusal<UnequalResults>({file("1.h5"), file("2.h5"), file("other.h5")}, merge_command), "at 64");
  expect_contains(refusal<UnequalResults>({file("1.h5"), file("2.h5"), file("seed.h5")}, merge_command), "statistics");
}

TEST_F(ManyTraces, merge_refuses_results_of_another_version_and_what_is_none) {
  const std::string one = trace("a.h5", 1);
  expect_contains(refusal<BadResults>({one}, merge_command), "no results file");
  traces::ArrayFileWriter later(file("r.h5"), false);
  later.attribute("/", "format", std::string_view("kvwave-results"));
  later.attribute("/", "format_version", std::int64_t{7});
  later.commit();
  expect_contains(refusal<BadResults>({file("r.h5")}, merge_command), "version 7");
}

TEST_F(ManyTraces, results_of_runs_with_equal_settings_join_in_the_order_given) {
  const std::string a = trace("a.h5", 1), b = trace("b.h5", 2);
  const Words sweep = {"-b", "32", "-s", "uniform/rkv", "-o"};
  replay(joined(joined({a}, sweep), {file("ra.h5")}));
  replay(joined(joined({b}, sweep), {file("rb.h5")}));
  replay(joined(joined({b, a}, sweep), {file("both.h5")}));
  run(merge_command, {file("rb.h5"), file("ra.h5"), "-o", file("merged.h5")});
  EXPECT_EQ(file_bytes(file("merged.h5")), file_bytes(file("both.h5")));
}

TEST_F(ManyTraces, folders_and_lists_name_the_same_traces) {
  const std::string traces = five();
  const Words sweep = {"-b", "32", "-s", "uniform/rkv", "--json", "-"};
  const std::string from_folder = replay(joined({traces}, sweep));
  std::ofstream list(folder_ / "list.txt");
  list << "# five traces\n\n";
  for (int seed = 1; seed <= 5; ++seed)
    list << file(std::string("traces/").append(std::to_string(seed)).append(".h5")) << "\n";
  list.close();
  EXPECT_EQ(replay(joined({std::string("@").append(file("list.txt"))}, sweep)), from_folder);
  EXPECT_EQ(replay(joined({"--traces-from", file("list.txt")}, sweep)), from_folder);
}

TEST_F(ManyTraces, a_folder_passes_over_results_and_refuses_other_files) {
  const std::string traces = five();
  replay({traces, "-b", "32", "-s", "uniform/rkv", "-o", file("traces/results.h5")});
  const auto manifest = nlohmann::json::parse(replay({traces, "-b", "32", "-s", "uniform/rkv", "--json", "-"}));
  EXPECT_EQ(manifest["traces"].size(), 5U);
  std::ofstream(folder_ / "traces/x.h5") << "no HDF5";
  expect_contains(refusal<traces::NotATrace>({traces, "-b", "32"}), "x.h5");
}

TEST_F(ManyTraces, refuses_what_is_empty_doubled_or_missing) {
  fs::create_directories(folder_ / "empty");
  expect_contains(refusal<BadTraceList>({file("empty")}), "holds no trace");
  const std::string a = trace("a.h5", 1), again = trace("again.h5", 1);
  expect_contains(refusal<BadTraceList>({a, a}), "named twice");
  expect_contains(refusal<DuplicateTrace>({a, again, "-b", "32"}), "again.h5");
  std::ofstream(folder_ / "empty.txt") << "# nothing\n";
  expect_contains(refusal<BadTraceList>({std::string("@").append(file("empty.txt"))}), "names no trace");
  expect_contains(refusal<BadTraceList>({std::string("@").append(file("none.txt"))}), "none.txt");
  std::ofstream(folder_ / "list.txt") << a << "\n\nnowhere.h5\n";
  expect_contains(refusal<BadTraceList>({std::string("@").append(file("list.txt"))}),
                  "list.txt: line 3: nowhere.h5 is not there");
  expect_contains(refusal<BadTraceList>({file("list.txt")}), file("list.txt") + " reads it as a list");
  expect_contains(refusal<traces::UsageError>({a, "--shard", "4/3", "-o", file("r.h5")}), "shard");
  expect_contains(refusal<traces::UsageError>({a, "--shard", "1/3"}), "-o");
  expect_contains(refusal<traces::UsageError>({a, "--resume"}), "-o");
  expect_contains(refusal<NothingToCompute>({a, "-b", "32", "--shard", "2/3", "-o", file("r.h5")}), "holds none");
}

TEST_F(ManyTraces, several_models_need_a_profile_for_each) {
  const std::string a = trace("a.h5", 1), b = trace("b.h5", 2, "other", 3);
  const Words sweep = {"-b", "32", "-s", "uniform/rkv", "-s", "reasonalloc/rkv"};
  expect_contains(refusal<UnequalTraces>(joined({a, b}, sweep)), "--profile for each");
  run(calibrate_command, {a, "-o", file("a.json")});
  run(calibrate_command, {b, "-o", file("b.json")});
  expect_contains(refusal<UnequalTraces>(joined({a, b, "--profile", file("a.json")}, sweep)), "--profile for each");
  expect_contains(refusal<BadProfile>(joined({a, "--profile", file("a.json"), "--profile", file("a.json")}, sweep)),
                  "one profile per model");
  const Words both = {a,        b,  "--profile", file("b.json"), "--profile", file("a.json"), "-o", file("r.h5"),
                      "--json", "-"};
  const auto manifest = nlohmann::json::parse(replay(joined(both, sweep)));
  EXPECT_EQ(manifest["traces"][1]["n_layers"], 3);
  EXPECT_EQ(manifest["profiles"].size(), 2U);
  const traces::ArrayFileReader results(file("r.h5"));
  EXPECT_EQ(results.shape("/trace_0001/kv_head/retained_mass")[1], 3U);
}

TEST_F(ManyTraces, a_profile_that_does_not_fit_is_warned_of_with_numbers) {
  const std::string a = trace("a.h5", 1);
  run(calibrate_command, {a, "-o", file("p.json")});
  auto profile = nlohmann::json::parse(file_bytes(file("p.json")));
  profile["demand"] = {1.0, 50.0};
  std::ofstream(folder_ / "p.json") << profile.dump();
  const std::string out =
      replay({a, "-b", "32", "-s", "reasonalloc/rkv", "--no-controls", "--profile", file("p.json")});
  expect_contains(err_, "does not fit 1 of 1 traces");
  expect_contains(err_, "0.0132");
  expect_contains(out, "warning: profile");
}

TEST_F(ManyTraces, statistics_hold_the_means_of_the_traces_and_their_differences) {
  const std::string traces = five();
  const auto manifest = nlohmann::json::parse(
      replay(joined(joined({traces}, kSweep), {"--equal-within", "0.5", "--json", "-", "-o", file("r.h5")})));
  const traces::ArrayFileReader results(file("r.h5"));
  double difference = 0;
  for (int t = 0; t < 5; ++t) {
    const auto mass =
        results.doubles(std::string("/trace_000").append(std::to_string(t)).append("/figure/retained_mass"));
    difference += (mass[1] - mass[0]) / 5;
  }
  const auto& configuration = manifest["configurations"][1];
  EXPECT_NEAR(configuration["differences"]["retained_mass"]["difference"].get<double>(), difference, 1e-12);
  EXPECT_TRUE(configuration["differences"]["retained_mass"]["equal"].get<bool>()) << "anything is equal within 0.5";
  EXPECT_FALSE(configuration["differences"]["realised_mean"].contains("equal")) << "entries have a unit";
  EXPECT_NEAR(results.doubles("/statistics/retained_mass/difference")[1], difference, 1e-12);
  EXPECT_EQ(results.ints("/statistics/baseline")[1], 0);
  EXPECT_FALSE(manifest.contains("frontier")) << "two budgets are no frontier";
}

TEST_F(ManyTraces, the_baseline_can_be_chosen_and_must_be_there) {
  const std::string traces = five();
  const auto manifest = nlohmann::json::parse(replay(
      {traces, "-b", "32", "-s", "uniform/rkv", "-s", "pyramid/rkv", "--baseline", "pyramid/rkv", "--json", "-"}));
  EXPECT_EQ(manifest["configurations"][0]["compared_with"], "pyramid/rkv");
  expect_contains(refusal<traces::UsageError>({traces, "-b", "32", "-s", "uniform/rkv", "--baseline", "pyramid/rkv"}),
                  "not among the strategies");
  expect_contains(refusal<UnequalResults>({traces, "-b", "32", "-s", "uniform/rkv", "--baseline", "uniform/tova"}),
                  "at budget 32, which are uniform/rkv, full, ");
}

TEST_F(ManyTraces, five_budgets_make_a_frontier_and_few_traces_are_said_to_be_few) {
  const std::string traces = five();
  const Words sweep = {"-s",  "uniform/rkv:buffer=8", "-s", "uniform/snapkv:buffer=8", "--no-controls", "--metrics",
                       "mass"};
  const std::string five_points = replay(joined({traces, "-b", "16,24,32,48,64"}, sweep));
  expect_contains(five_points, "mean retained_mass over log memory");
  expect_contains(five_points, "Only 5 traces");
  expect_contains(replay(joined({traces, "-b", "16,24"}, sweep)), "needs at least 5 budgets");
}

TEST_F(ManyTraces, lists_in_strategies_and_sweep_files_give_the_same) {
  const std::string a = trace("a.h5", 1);
  std::ofstream(folder_ / "sweep.json")
      << R"({"kvwave_sweep": 1, "strategies": ["uniform/rkv:lambda=[0,1]"], "budgets": [32], "controls": false})";
  const std::string from_file = replay({a, "--sweep", file("sweep.json"), "--csv", "-"});
  EXPECT_EQ(replay({a, "-s", "uniform/rkv:lambda=[0,1]", "-b", "32", "--no-controls", "--csv", "-"}), from_file);
  expect_contains(from_file, "uniform/rkv:lambda=1");
  expect_contains(refusal<traces::UsageError>({a, "--sweep", file("sweep.json"), "-b", "32"}), "give one of them");
}

TEST_F(ManyTraces, traces_that_an_interrupted_run_finished_are_refused_kept_or_dropped) {
  const std::string a = trace("a.h5", 1);
  fs::create_directories(folder_ / "r.h5.parts");
  std::ofstream(folder_ / "r.h5.parts/trace-0-0.h5") << "of an earlier run";
  const Words words = {a, "-b", "32", "-s", "uniform/rkv", "-o", file("r.h5")};
  expect_contains(refusal<traces::OutputExists>(words), "--resume");
  replay(joined(words, {"--resume"}));
  EXPECT_FALSE(fs::exists(folder_ / "r.h5.parts")) << "all is written: nothing is left behind";
}

TEST_F(ManyTraces, a_table_or_profile_that_changed_under_its_path_is_not_resumed_from) {
  const std::string a = trace("a.h5", 1);
  const auto write_table = [&](const std::string& gates) { std::ofstream(folder_ / "t.tsv") << gates; };
  const auto hash = [&](const Words& more) {
    replay(joined({a, "-b", "32", "--no-controls", "-f", "-o", file("r.h5")}, more));
    return traces::ArrayFileReader(file("r.h5")).text_attribute("/", "replay_sha256");
  };
  const Words streaming = {"-s", "duoattention:table=" + file("t.tsv") + "/streaming"};
  write_table("0.1\t0.9\n0.2\t0.8\n");
  const std::string before = hash(streaming);
  EXPECT_EQ(hash(streaming), before);
  fs::rename(folder_ / "r.h5", folder_ / "before.h5");
  write_table("0.9\t0.1\n0.2\t0.8\n");
  EXPECT_NE(hash(streaming), before) << "finished traces are kept by this hash";
  const std::string refused =
      refusal<UnequalResults>({file("before.h5"), file("r.h5"), "-o", file("both.h5")}, merge_command);
  expect_contains(refused, "t.tsv held other values");

  const Words reasonalloc = {"-s", "reasonalloc/rkv", "--profile", file("p.json")};
  run(calibrate_command, {a, "-o", file("p.json")});
  const std::string mean = hash(reasonalloc);
  run(calibrate_command, {a, "-f", "-o", file("p.json"), "--rho", "0.8"});
  EXPECT_NE(hash(reasonalloc), mean);
}

}  // namespace
}  // namespace kvwave::replay
