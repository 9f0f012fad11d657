// Many traces through the real program: killed and continued, and the shell lines of docs/many_traces.md.
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "tests/cli/program.h"
#include "tests/replay/synthetic_trace.h"

namespace kvwave::cli_testing {
namespace {

namespace fs = std::filesystem;

class ManyTracesProgram : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(folder_ / "traces");
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
      replay::SyntheticOptions options;
      options.n_positions = 200;
      options.seed = seed;
      replay::write_synthetic(folder_ / std::string("traces/t").append(std::to_string(seed)).append(".h5"), options);
    }
  }
  Outcome kvwave(std::vector<std::string> words) { return run_program(words, folder_ / ""); }
  std::string file(const std::string& name) const { return (folder_ / name).string(); }

  // A line of shell in the test's folder, with `kvwave` on its path.
  int shell(const std::string& line) const {
    const char* given = std::getenv("KVWAVE_BIN");
    const fs::path program = given != nullptr ? given : KVWAVE_BIN;
    const std::string command =
        "cd '" + file("") + "' && PATH='" + program.parent_path().string() + "':$PATH && " + line;
    return std::system(("bash -c \"" + command + "\"").c_str());
  }

  TemporaryFolder folder_;
  const std::vector<std::string> sweep_ = {"-b", "32,64", "-s", "uniform/rkv", "-s", "pyramid/rkv", "--quiet"};
};

TEST_F(ManyTracesProgram, a_killed_run_is_continued_and_ends_as_if_never_killed) {
  std::vector<std::string> words = {"replay", file("traces"), "-o", file("killed.h5")};
  words.insert(words.end(), sweep_.begin(), sweep_.end());
  const Program program(words, folder_ / "");
  for (int i = 0; i < 2000 && !fs::exists(file("killed.h5.parts")); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  program.send(SIGKILL);
  program.wait();
  words.insert(words.end(), {"--resume", "-f"});
  const Outcome resumed = kvwave(words);
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  words = {"replay", file("traces"), "-o", file("whole.h5")};
  words.insert(words.end(), sweep_.begin(), sweep_.end());
  ASSERT_EQ(kvwave(words).code, 0);
  EXPECT_EQ(file_text(file("killed.h5")), file_text(file("whole.h5")));
  EXPECT_FALSE(fs::exists(file("killed.h5.parts")));
}

TEST_F(ManyTracesProgram, a_run_whose_results_do_not_fit_the_disk_keeps_its_finished_traces) {
  std::vector<std::string> words = {"replay", file("traces"), "-o", file("r.h5")};
  words.insert(words.end(), sweep_.begin(), sweep_.end());
  ASSERT_EQ(kvwave(words).code, 0);
  const auto whole = fs::file_size(file("r.h5"));
  fs::rename(file("r.h5"), file("whole.h5"));
  const Outcome full = run_program(words, folder_ / "", "", {.file_bytes = whole / 2});
  EXPECT_EQ(full.code, 1);
  EXPECT_FALSE(fs::exists(file("r.h5"))) << "whole or not at all";
  words.pop_back();  // --quiet: the run says what it kept
  words.emplace_back("--resume");
  const Outcome resumed = kvwave(words);
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_NE(resumed.err.find("5 finished traces were kept"), std::string::npos) << resumed.err;
  EXPECT_EQ(file_text(file("r.h5")), file_text(file("whole.h5")));
}

// The lines of the document, GNU parallel played by xargs.
TEST_F(ManyTracesProgram, the_documented_parallel_lines_give_what_one_run_gives) {
  std::ifstream document(KVWAVE_SOURCE_DIR "/docs/many_traces.md");
  std::string line, parallel, merge;
  while (std::getline(document, line)) {
    if (line.starts_with("    seq 8 | parallel ")) parallel = line;
    if (line.starts_with("    kvwave merge shards/*.h5")) merge = line;
  }
  ASSERT_FALSE(parallel.empty());
  ASSERT_FALSE(merge.empty());
  parallel.replace(parallel.find("seq 8 | parallel"), 16, "seq 5 | xargs -I{}");
  parallel.replace(parallel.find("{}/8"), 4, "{}/5");
  fs::create_directories(folder_ / "shards");
  const std::string settings = " -b 32,64 -s uniform/rkv -s pyramid/rkv";
  ASSERT_EQ(shell(parallel + settings + " >/dev/null"), 0);
  ASSERT_EQ(shell(merge + " >/dev/null"), 0);
  ASSERT_EQ(shell("kvwave replay traces --quiet -o one.h5 --csv one.csv --json one.json --statistics one.st.csv" +
                  settings + " >/dev/null"),
            0);
  EXPECT_EQ(file_text(file("results.h5")), file_text(file("one.h5")));
  EXPECT_EQ(file_text(file("results.csv")), file_text(file("one.csv")));
  EXPECT_EQ(file_text(file("results.json")), file_text(file("one.json")));
  EXPECT_EQ(file_text(file("statistics.csv")), file_text(file("one.st.csv")));
}

TEST_F(ManyTracesProgram, the_slurm_script_as_a_loop_gives_what_one_run_gives) {
  const std::string script = KVWAVE_SOURCE_DIR "/docs/slurm_replay.sh";
  const std::string settings = " -b 32 -s uniform/rkv";
  ASSERT_EQ(shell("for i in 1 2 3; do SLURM_ARRAY_TASK_ID=\\$i SLURM_ARRAY_TASK_COUNT=3 bash '" + script +
                  "' traces out" + settings + " || exit 1; done"),
            0);
  ASSERT_EQ(shell("kvwave merge out/shard-*.h5 -o merged.h5 >/dev/null"), 0);
  ASSERT_EQ(shell("kvwave replay traces --quiet -o one.h5" + settings + " >/dev/null"), 0);
  EXPECT_EQ(file_text(file("merged.h5")), file_text(file("one.h5")));
}

}  // namespace
}  // namespace kvwave::cli_testing
