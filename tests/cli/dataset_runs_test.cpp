// Datasets through the real program: resumed, interrupted, killed, on a full disk; the manifest and the accuracy.
#include <chrono>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/cli/capture_fixture.h"
#include "traces/reader.h"

namespace kvwave::cli_testing {
namespace {

namespace fs = std::filesystem;

class DatasetRuns : public CaptureFixture {
 protected:
  using Words = std::vector<std::string>;

  DatasetRuns() {
    write("set.jsonl",
          "{\"id\": \"a\", \"problem\": \"one\", \"answer\": \"3\"}\n"
          "{\"id\": \"b/c\", \"problem\": \"two\", \"answer\": \"4\"}\n"
          "{\"id\": \"d\", \"problem\": \"three\"}\n");
  }

  Words words(const Words& more = {}, const std::string& out = "out") const {
    Words all = {"--dataset", path("set.jsonl"), "-n", "6",  "--ignore-eos", "--temperature", "1", "--seed",
                 "5",         "--samples",       "2",  "-o", path(out)};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  nlohmann::json manifest(const std::string& out = "out") const {
    return nlohmann::json::parse(file_text(folder_ / out / "manifest.json"));
  }
  std::string all_bytes(const std::string& out) const {
    std::string bytes = file_text(folder_ / out / "manifest.json");
    const nlohmann::json stored = manifest(out);
    for (const auto& entry : stored.at("traces")) {
      bytes += traces::TraceReader(folder_ / out / entry.at("trace").get<std::string>()).content_sha256();
    }
    return bytes;
  }
  void expect_refusal(const Words& changed, const std::string& part) const {
    const Outcome run = capture(changed);
    EXPECT_EQ(run.code, 1) << part;
    EXPECT_NE(run.err.find(part), std::string::npos) << run.err;
  }
  static Words with(Words all, const std::string& option, const std::string& value) {
    for (std::size_t i = 0; i + 1 < all.size(); ++i) {
      if (all[i] == option) all[i + 1] = value;
    }
    return all;
  }
};

TEST_F(DatasetRuns, the_manifest_says_what_the_folder_holds) {
  const Outcome run = capture(words({"--json"}));
  ASSERT_EQ(run.code, 0) << run.err;
  const auto m = manifest();
  EXPECT_EQ(m.at("kvwave_manifest"), 1);
  EXPECT_EQ(m.at("dataset"), "set.jsonl");
  EXPECT_EQ(m.at("settings").at("max_tokens"), 6);
  EXPECT_EQ(m.at("settings").at("samples"), 2);
  EXPECT_EQ(m.at("settings").at("sampling").at("temperature"), 1.0);
  ASSERT_EQ(m.at("traces").size(), 6U);
  const auto& third = m.at("traces").at(2);
  EXPECT_EQ(third.at("id"), "b_c");
  EXPECT_EQ(third.at("line"), 2);
  EXPECT_EQ(third.at("sample"), 0);
  EXPECT_EQ(third.at("seed"), 5);
  EXPECT_EQ(third.at("trace"), "b_c-s0.h5");
  EXPECT_EQ(third.at("state"), "finished");
  EXPECT_EQ(third.at("tokens"), 6);
  EXPECT_EQ(third.at("stop_reason"), "token_limit");
  EXPECT_EQ(third.at("expected"), "4");
  EXPECT_EQ(third.at("correct"), false);
  EXPECT_EQ(third.at("content_sha256"), traces::TraceReader(folder_ / "out/b_c-s0.h5").content_sha256());
  EXPECT_EQ(m.at("traces").at(4).at("expected"), nullptr);
  EXPECT_EQ(m.at("traces").at(4).at("correct"), nullptr);
  EXPECT_EQ(m.at("accuracy").at("total"), 4);
  EXPECT_EQ(m.at("accuracy").at("problems"), 2);
  EXPECT_EQ(nlohmann::json::parse(run.out).at("accuracy"), m.at("accuracy"));
  EXPECT_NE(run.err.find("pass@1 0.000 over 2 problems (95 % Wilson interval over problems 0.000 to 0.658)"),
            std::string::npos)
      << run.err;
  EXPECT_EQ(file_text(folder_ / "out/manifest.json").find(path("")), std::string::npos) << "a path";
  expect_refusal(words(), "manifest.json: exists already; give -f/--force");
}

TEST_F(DatasetRuns, resume_keeps_what_is_finished_and_ends_as_if_never_interrupted) {
  ASSERT_EQ(capture(words()).code, 0);
  const std::string whole = all_bytes("out");
  const auto kept_time = fs::last_write_time(folder_ / "out/a-s0.h5");
  fs::remove(folder_ / "out/a-s1.h5");                 // never begun
  write("out/d-s0.h5", "a file that a kill cut off");  // begun, no trace yet
  auto m = manifest();
  m.at("traces").at(4).at("state") = "pending";
  write("out/manifest.json", m.dump());
  write("out/manifest.json.tmp77", "half of one, left by a kill");
  Outcome run = capture(words({"--resume"}));
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.err.find("4 finished traces are kept"), std::string::npos) << run.err;
  EXPECT_EQ(all_bytes("out"), whole);
  EXPECT_EQ(fs::last_write_time(folder_ / "out/a-s0.h5"), kept_time);
  EXPECT_FALSE(fs::exists(folder_ / "out/manifest.json.tmp77"));
  // The manifest itself lost: everything it says is found again.
  fs::remove(folder_ / "out/manifest.json");
  run = capture(words({"--resume"}));
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(all_bytes("out"), whole);
  // More lines later; fewer now.
  ASSERT_EQ(capture(words({"--limit", "1"}, "grown")).code, 0);
  ASSERT_EQ(capture(words({"--skip", "1", "--resume"}, "grown")).code, 0);
  EXPECT_EQ(all_bytes("grown"), whole);
}

TEST_F(DatasetRuns, resume_refuses_other_settings_by_name) {
  ASSERT_EQ(capture(words()).code, 0);
  const Words all = words({"--resume"});
  expect_refusal(with(all, "-n", "7"), "max_tokens is 6, this run has 7");
  expect_refusal(with(all, "--seed", "6"), "seed is 5, this run has 6");
  expect_refusal(with(all, "--samples", "3"), "samples is 2, this run has 3");
  expect_refusal(with(all, "--temperature", "0.9"), "sampling is {");
  expect_refusal(words({"--resume", "--levels", "stats,tokens"}), "levels is \"tokens,stats,attention,qkv\", this run");
  expect_refusal(words({"--resume", "--qkv-dtype", "f32"}), "qkv_dtype is \"f16\", this run has \"f32\"");
  expect_refusal(words({"--resume", "--system", "be brief"}), "a-s0.h5 was recorded with another prompt (line 1 of ");
  fs::remove(folder_ / "out/manifest.json");
  expect_refusal(with(all, "-n", "7"), "a-s0.h5: it has 6 generated tokens, this run makes 7");
  expect_refusal(with(all, "--seed", "6"), "a-s0.h5: seed is 5, this run has 6");
  expect_refusal(with(all, "--temperature", "0.9"), "a-s0.h5: sampling is ");
  write("out/a-s0.h5", "somebody's own file");
  expect_refusal(all, "--resume replaces no file that it does not know");
  EXPECT_EQ(file_text(folder_ / "out/a-s0.h5"), "somebody's own file");
  EXPECT_EQ(capture(words({"--resume", "--force"})).code, 2);
  EXPECT_EQ(capture({"-p", "x", "--resume", "-o", path("x.h5")}).code, 2);
}

TEST_F(DatasetRuns, interrupted_and_killed_runs_are_taken_up_again) {
  ASSERT_EQ(capture(words()).code, 0);
  for (const int signal : {SIGINT, SIGKILL}) {
    const std::string out = "signal" + std::to_string(signal);
    // Long, so that the signal comes in the middle of one; the finished trace is made by a run that is short.
    const Words all = with(words({"--levels", "tokens,stats"}, out), "-n", "4000");
    fs::remove(folder_ / "stdout.txt");  // of the run before
    const Program program(with_model(all), folder_ / "");
    ASSERT_TRUE(program.wait_for_output());
    program.send(signal);
    const Outcome run = program.wait();
    EXPECT_EQ(run.code, signal == SIGINT ? 130 : 1000 + SIGKILL) << run.err;
    const nlohmann::json stored = manifest(out);
    for (const auto& entry : stored.at("traces")) EXPECT_EQ(entry.at("state"), "pending");
    ASSERT_TRUE(fs::exists(folder_ / out / "a-s0.h5"));
    // The same folder with settings of its own is refused; with the same ones the unfinished trace is decoded again.
    expect_refusal(words({"--levels", "tokens,stats", "--resume"}, out), "max_tokens is 4000, this run has 6");
    auto m = manifest(out);
    m.at("settings").at("max_tokens") = 6;
    write(out + "/manifest.json", m.dump());
    const Outcome resumed = capture(words({"--levels", "tokens,stats", "--resume"}, out));
    ASSERT_EQ(resumed.code, 0) << resumed.err;
    EXPECT_EQ(traces::TraceReader(folder_ / out / "a-s0.h5").n_steps(), 6U);
    EXPECT_EQ(manifest(out).at("accuracy"), manifest().at("accuracy"));
  }
}

TEST_F(DatasetRuns, a_full_disk_leaves_the_manifest_of_what_was_finished) {
  ASSERT_EQ(capture(words({"--limit", "1"}, "small")).code, 0);
  write("set.jsonl",
        "{\"id\": \"a\", \"problem\": \"one\", \"answer\": \"3\"}\n"
        "{\"id\": \"long\", \"problem\": \"" +
            std::string(400, 'x') + "\"}\n");
  const auto limit = fs::file_size(folder_ / "small/a-s0.h5") + 20000;
  const Outcome full = capture(words(), "", {.file_bytes = limit});
  EXPECT_EQ(full.code, 1) << full.err;
  const auto m = manifest();
  EXPECT_EQ(m.at("traces").at(1).at("state"), "finished");
  EXPECT_EQ(m.at("traces").at(2).at("state"), "pending");
  const Outcome resumed = capture(words({"--resume"}));
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_NE(resumed.err.find("2 finished traces are kept"), std::string::npos) << resumed.err;
  EXPECT_EQ(manifest().at("traces").at(3).at("state"), "finished");
}

TEST_F(DatasetRuns, a_trace_without_tokens_keeps_the_answer_of_the_manifest) {
  ASSERT_EQ(capture(words({"--levels", "stats"})).code, 0);
  const std::string whole = file_text(folder_ / "out/manifest.json");
  ASSERT_EQ(capture(words({"--levels", "stats", "--resume"})).code, 0);
  EXPECT_EQ(file_text(folder_ / "out/manifest.json"), whole);
}

TEST_F(DatasetRuns, a_damaged_or_newer_manifest_is_named) {
  ASSERT_EQ(capture(words({"--limit", "1"})).code, 0);
  write("out/manifest.json", "{\"kvwave_manifest\": 2}");
  expect_refusal(words({"--resume"}), "manifest.json: field 'kvwave_manifest' is 2, expected 1 to 1");
  write("out/manifest.json", "{\"kvwave_mani");
  expect_refusal(words({"--resume"}), "manifest.json: no valid JSON");
  EXPECT_EQ(capture(words({"--force"})).code, 0);
}

}  // namespace
}  // namespace kvwave::cli_testing
