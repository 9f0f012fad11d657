// `kvwave import` as a user runs it.
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/capture/recording_builder.h"
#include "tests/cli/program.h"
#include "tests/replay/synthetic_trace.h"
#include "tests/temporary_folder.h"
#include "traces/reader.h"

namespace kvwave::cli_testing {
namespace {

namespace fs = std::filesystem;

class ImportCommand : public ::testing::Test {
 protected:
  ImportCommand() {
    replay::SyntheticOptions options;
    options.prompt_window = options.n_prompt;
    options.epsilon = 0;
    options.attention_dtype = traces::FloatType::f32;
    replay::write_synthetic(folder_ / "source.h5", options);
    capture::testing::RecordingBuilder recording(folder_ / "source.h5");
    fs::create_directory(folder_ / "both");
    fs::create_directory(folder_ / "rows");
    for (const char* folder : {"both", "rows"}) {
      recording.write_facts(folder_ / folder / "recording.json");
      recording.write_steps(folder_ / folder / "attentions.npz");
    }
    recording.write_vectors(folder_ / "both" / "qkv.safetensors");
    recording.at(2, 3, 50, 4) += 0.25F;
    recording.write_layers(folder_ / "bad.npz");
  }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  Outcome kvwave(std::vector<std::string> args, Limits limits = {}) const {
    return run_program(args, folder_ / "", "", limits);
  }
  void expect_no_output() const {
    for (const fs::directory_entry& entry : fs::directory_iterator(folder_.path())) {
      EXPECT_EQ(entry.path().filename().string().rfind("out.h5", 0), std::string::npos) << "left behind: " << entry;
    }
  }

  TemporaryFolder folder_;
};

TEST_F(ImportCommand, makes_a_trace_that_verifies_and_replays) {
  const Outcome run = kvwave({"import", path("both"), "-o", path("out.h5")});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.err.find("rows recomputed from q and k; given ones differ by at most"), std::string::npos) << run.err;
  EXPECT_NE(run.err.find("80 positions, 20 of the prompt, levels tokens,stats,attention,qkv"), std::string::npos);
  const Outcome verified = kvwave({"verify", path("out.h5")});
  EXPECT_EQ(verified.code, 0) << verified.out << verified.err;
  const Outcome replayed =
      kvwave({"replay", path("out.h5"), "-s", "uniform/rkv", "-b", "32", "-o", path("results.h5"), "--quiet"});
  EXPECT_EQ(replayed.code, 0) << replayed.err;
  const Outcome info = kvwave({"info", path("out.h5")});
  EXPECT_NE(info.out.find("imported from"), std::string::npos) << info.out;
  EXPECT_NE(info.out.find("qkv.safetensors"), std::string::npos) << info.out;
}

TEST_F(ImportCommand, of_rows_alone_makes_a_trace_whose_missing_level_is_named_later) {
  ASSERT_EQ(kvwave({"import", path("rows"), "-o", path("out.h5"), "-q"}).err, "");
  const Outcome verified = kvwave({"verify", path("out.h5")});
  EXPECT_EQ(verified.code, 0) << verified.out << verified.err;
  const Outcome replayed = kvwave({"replay", path("out.h5"), "-s", "uniform/rkv", "-b", "32", "--quiet"});
  EXPECT_NE(replayed.code, 0);
  EXPECT_NE(replayed.err.find("qkv"), std::string::npos) << replayed.err;
  const Outcome asked = kvwave({"import", path("rows"), "-o", path("b.h5"), "--levels", "qkv,tokens"});
  EXPECT_EQ(asked.code, 1);
  EXPECT_NE(asked.err.find("level qkv is asked for, but the recording has no q, k and v"), std::string::npos);
}

TEST_F(ImportCommand, refuses_to_overwrite_and_leaves_nothing_behind_when_it_fails) {
  ASSERT_EQ(kvwave({"import", path("both"), "-o", path("out.h5"), "-q"}).code, 0);
  const std::string before = file_text(folder_ / "out.h5");
  const Outcome again = kvwave({"import", path("both"), "-o", path("out.h5")});
  EXPECT_EQ(again.code, 1);
  EXPECT_NE(again.err.find("exists already; give -f/--force"), std::string::npos) << again.err;
  const Outcome bad =
      kvwave({"import", path("both"), "--attentions", path("bad.npz"), "-o", path("out.h5"), "--force"});
  EXPECT_EQ(bad.code, 1);
  EXPECT_NE(bad.err.find("bad.npz: array 'layer_2': layer 2, q_head 3, row 50: sum "), std::string::npos) << bad.err;
  EXPECT_EQ(file_text(folder_ / "out.h5"), before) << "the old file stays";
  fs::remove(folder_ / "out.h5");
  EXPECT_EQ(kvwave({"import", path("both"), "-o", path("out.h5")}, {.file_bytes = 40000}).code, 1);
  expect_no_output();
  EXPECT_EQ(kvwave({"import", path("both"), "-o", path("none/out.h5")}).code, 1);
}

TEST_F(ImportCommand, names_what_is_wrong_with_its_arguments) {
  const auto expect = [&](std::vector<std::string> args, int code, const std::string& part) {
    args.insert(args.begin(), "import");
    const Outcome run = kvwave(args);
    EXPECT_EQ(run.code, code) << part;
    EXPECT_NE(run.err.find(part), std::string::npos) << run.err;
    EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
  };
  expect({}, 2, "option -o/--output is required");
  expect({"-o", path("out.h5")}, 2, "expected a folder, or --facts");
  expect({path("both"), path("rows"), "-o", path("out.h5")}, 2, "expected one folder, got 2");
  expect({"--facts", path("both/recording.json"), "-o", path("out.h5")}, 2, "expected --attentions, --qkv or both");
  expect({path("absent"), "-o", path("out.h5")}, 1, "absent: is no folder");
  expect({path("bad.npz"), "-o", path("out.h5")}, 1, "bad.npz: is no folder; name single files with --facts");
  expect({path(""), "-o", path("out.h5")}, 1, "holds neither attentions.npz nor qkv.safetensors");
  expect({path("both"), "-o", path("out.h5"), "--epsilon", "2"}, 2, "--epsilon");
  expect({path("both"), "-o", path("out.h5"), "--level", "x"}, 2, "level");
  expect({path("both"), "-f", "-o", path("both/attentions.npz")}, 2, "the output is one of the files to import");
  expect_no_output();
}

TEST_F(ImportCommand, help_shows_its_options_and_the_program_lists_it) {
  const Outcome help = kvwave({"import", "--help"});
  EXPECT_EQ(help.code, 0);
  for (const char* option : {"--facts", "--attentions", "--qkv", "--model", "--levels", "--output", "--force"}) {
    EXPECT_NE(help.out.find(option), std::string::npos) << option;
  }
  EXPECT_NE(kvwave({"--help"}).out.find("\n  import "), std::string::npos);
}

}  // namespace
}  // namespace kvwave::cli_testing
