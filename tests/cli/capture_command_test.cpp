// `kvwave capture` as a user runs it.
#include <algorithm>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/cli/capture_fixture.h"
#include "traces/reader.h"

namespace kvwave::cli_testing {
namespace {

using CaptureCommand = CaptureFixture;

TEST_F(CaptureCommand, writes_a_complete_trace_and_prints_the_text) {
  const Outcome run = capture({"-p", "Hello", "-n", "8", "--ignore-eos", "-o", path("a.h5")});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.err.find("8 tokens in "), std::string::npos) << run.err;
  EXPECT_NE(run.err.find("stopped by token_limit"), std::string::npos) << run.err;
  EXPECT_NE(run.err.find("free on the disk"), std::string::npos) << run.err;
  EXPECT_FALSE(run.out.empty());
  EXPECT_EQ(run.out.back(), '\n');
  const traces::TraceReader reader(path("a.h5"));
  EXPECT_EQ(reader.n_steps(), 8U);
  EXPECT_TRUE(reader.status().complete);
  const traces::TraceInfo& info = reader.info();
  EXPECT_EQ(info.model_name, "tiny");
  EXPECT_EQ(info.architecture, "llama");
  EXPECT_EQ(info.model_sha256.size(), 64U);
  EXPECT_EQ(info.device, "cpu");
  EXPECT_EQ(info.compute_dtype, "f32");
  EXPECT_EQ(info.command_line.rfind("kvwave capture -m ", 0), 0U) << info.command_line;
  const auto sampling = nlohmann::json::parse(info.sampling);
  EXPECT_EQ(sampling["mode"], "greedy");
  EXPECT_EQ(sampling["ignore_eos"], true);
  EXPECT_NE(sampling["prompt_form"], "raw");
}

TEST_F(CaptureCommand, json_prints_one_object_and_no_text) {
  const Outcome run = capture({"-p", "Hello", "-n", "5", "--ignore-eos", "--json", "--quiet", "-o", path("a.h5")});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(run.err, "");
  const auto json = nlohmann::json::parse(run.out);
  EXPECT_EQ(json["tokens"], 5);
  EXPECT_EQ(json["levels"], "tokens,stats,attention,qkv");
  EXPECT_EQ(json["trace_bytes"], std::filesystem::file_size(path("a.h5")));
  EXPECT_EQ(json["stop_reason"], "token_limit");
  for (const char* name : {"prefill_seconds", "decode_seconds", "tokens_per_second", "core_ms_per_token",
                           "peak_rss_bytes", "prompt_tokens"}) {
    EXPECT_GT(json[name].get<double>(), 0.0) << name;
  }
}

TEST_F(CaptureCommand, no_record_decodes_the_same_text_and_needs_no_output) {
  const Outcome recorded = capture({"-p", "Hello", "-n", "12", "--ignore-eos", "-o", path("a.h5")});
  const Outcome plain = capture({"-p", "Hello", "-n", "12", "--ignore-eos", "--no-record"});
  EXPECT_EQ(plain.code, 0) << plain.err;
  EXPECT_EQ(plain.out, recorded.out);
}

TEST_F(CaptureCommand, same_seed_gives_the_same_content_for_any_number_of_threads) {
  std::vector<std::string> hashes;
  for (const char* threads : {"1", "2"}) {
    const std::string name = path(std::string(threads) + ".h5");
    const Outcome run = run_program({"capture", "-m", path("tiny.gguf"), "-p", "Hello", "-n", "20", "--temperature",
                                     "0.9", "--seed", "4", "--ignore-eos", "--threads", threads, "-o", name},
                                    folder_ / "");
    ASSERT_EQ(run.code, 0) << run.err;
    hashes.push_back(traces::TraceReader(name).content_sha256());
  }
  EXPECT_EQ(hashes[0], hashes[1]);
}

TEST_F(CaptureCommand, reads_the_prompt_from_stdin_and_feeds_a_continuation) {
  const std::string text = "and this is the answer";
  const Outcome run =
      capture({"-P", "-", "--continue-from", write("answer.txt", text), "-o", path("a.h5")}, "Hello there");
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(run.out, text + "\n");
  EXPECT_NE(run.err.find("stopped by continuation"), std::string::npos) << run.err;
  EXPECT_EQ(nlohmann::json::parse(traces::TraceReader(path("a.h5")).info().sampling)["mode"], "continuation");
}

TEST_F(CaptureCommand, raw_feeds_the_text_as_it_is) {
  ASSERT_EQ(capture({"-p", "<|im_start|>he", "--raw", "-n", "1", "--ignore-eos", "-o", path("a.h5")}).code, 0);
  const traces::TraceReader reader(path("a.h5"));
  ASSERT_EQ(reader.info().n_prompt, 2U);
  std::vector<std::int32_t> ids(2);
  reader.token_ids(0, 2, ids);
  EXPECT_EQ(ids[0], 1);
}

TEST_F(CaptureCommand, a_dataset_with_answers_reports_accuracy) {
  const std::string dataset = write("set.jsonl",
                                    "{\"id\": \"a\", \"question\": \"one\", \"answer\": \"zzz\"}\n"
                                    "{\"id\": \"b\", \"question\": \"two\", \"answer\": \"zzz\"}\n");
  const Outcome run = capture({"--dataset", dataset, "-n", "4", "--json", "--top-k", "3", "--temperature", "0.6",
                               "--repetition-penalty", "1.1", "--no-record"});
  ASSERT_EQ(run.code, 0) << run.err;
  const auto json = nlohmann::json::parse(run.out);
  EXPECT_EQ(json.at("accuracy").at("total"), 2);
  EXPECT_EQ(json.at("accuracy").at("right"), 0);
  EXPECT_EQ(json.at("traces").at(0).at("correct"), false);
  EXPECT_NE(run.err.find("0 of 2 answers right: pass@1 0.000 over 2 problems"), std::string::npos) << run.err;
}

TEST_F(CaptureCommand, samples_of_a_line_have_seeds_and_traces_of_their_own) {
  const std::string dataset = write("set.jsonl", "{\"id\": \"a\", \"prompt\": \"one\"}\n");
  const Outcome run = capture({"--dataset", dataset, "-n", "8", "--json", "--temperature", "2", "--samples", "2",
                               "--seed", "5", "-o", path("samples")});
  ASSERT_EQ(run.code, 0) << run.err;
  std::vector<std::vector<std::int32_t>> ids;
  for (const char* name : {"samples/a-s0.h5", "samples/a-s1.h5"}) {
    const traces::TraceReader trace(path(name));
    EXPECT_EQ(trace.info().seed, 5 + ids.size());
    const std::uint32_t n_prompt = trace.info().n_prompt;
    std::vector<std::int32_t>& generated = ids.emplace_back(trace.n_steps());
    trace.token_ids(n_prompt, n_prompt + trace.n_steps(), generated);
  }
  EXPECT_NE(ids[0], ids[1]);
  const Outcome greedy = capture({"--dataset", dataset, "--samples", "2", "-o", path("greedy")});
  EXPECT_EQ(greedy.code, 2);
  EXPECT_NE(greedy.err.find("--samples needs a --temperature"), std::string::npos) << greedy.err;
}

TEST_F(CaptureCommand, a_dataset_writes_one_trace_per_line_inside_its_folder) {
  const std::string dataset = write("set.jsonl",
                                    "{\"id\": \"../x\", \"problem\": \"one\", \"solution\": \"the end\"}\n"
                                    "{\"prompt\": \"two\", \"solution\": \"and the other end\"}\n"
                                    "{\"prompt\": \"three\"}\n");
  const Outcome run =
      capture({"--dataset", dataset, "--limit", "2", "--continue-field", "solution", "--json", "-o", path("traces")});
  ASSERT_EQ(run.code, 0) << run.err;
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(path("traces")))
    names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  EXPECT_EQ(names, (std::vector<std::string>{"2.h5", "_._x.h5", "manifest.json"}));
  const auto json = nlohmann::json::parse(run.out);
  EXPECT_EQ(json["traces"].size(), 2U);
  EXPECT_EQ(json["traces"][0]["stop_reason"], "continuation");
  EXPECT_EQ(json["tokens"], json["traces"][0]["tokens"].get<int>() + json["traces"][1]["tokens"].get<int>());
}

TEST_F(CaptureCommand, storage_options_reach_the_trace) {
  const Outcome run =
      capture({"-p", "Hello", "-n", "3", "--ignore-eos", "--levels", "stats,qkv", "--epsilon", "0", "--qkv-dtype",
               "f32", "--rho", "0.7,0.25", "--prompt-window", "2", "--seed", "9", "-o", path("a.h5")});
  ASSERT_EQ(run.code, 0) << run.err;
  const traces::TraceReader reader(path("a.h5"));
  const traces::TraceInfo& info = reader.info();
  EXPECT_EQ(info.levels.to_string(), "stats,qkv");
  EXPECT_EQ(info.epsilon, 0.0);
  EXPECT_EQ(info.qkv_dtype, traces::FloatType::f32);
  EXPECT_EQ(info.rho, (std::vector<double>{0.25, 0.7, 0.93}));
  EXPECT_EQ(info.first_row, info.n_prompt - 2);
  EXPECT_EQ(info.seed, 9U);
}

TEST_F(CaptureCommand, interrupt_leaves_a_complete_trace_and_exit_code_130) {
  const Program program(
      with_model({"-p", "Hello", "-n", "50000", "--ignore-eos", "--levels", "tokens,stats", "-o", path("a.h5")}),
      folder_ / "");
  ASSERT_TRUE(program.wait_for_output());
  program.send(SIGINT);
  const Outcome run = program.wait();
  EXPECT_EQ(run.code, 130) << run.err;
  EXPECT_NE(run.err.find("stopped by interrupted"), std::string::npos) << run.err;
  const traces::TraceReader reader(path("a.h5"));
  EXPECT_TRUE(reader.status().complete);
  EXPECT_EQ(reader.status().stop_reason, traces::StopReason::interrupted);
  EXPECT_GT(reader.n_steps(), 0U);
}

TEST_F(CaptureCommand, kill_leaves_a_readable_trace) {
  const Program program(with_model({"-p", "Hello", "-n", "50000", "--ignore-eos", "-o", path("a.h5")}), folder_ / "");
  ASSERT_TRUE(program.wait_for_output());
  std::this_thread::sleep_for(std::chrono::milliseconds(800));  // beyond the flush interval
  program.send(SIGKILL);
  EXPECT_EQ(program.wait().code, 1000 + SIGKILL);
  const traces::TraceReader reader(path("a.h5"));
  EXPECT_FALSE(reader.status().complete);
  EXPECT_EQ(reader.status().stop_reason, traces::StopReason::running);
  EXPECT_GT(reader.n_positions(), 0U);
}

TEST_F(CaptureCommand, help_names_every_option_of_the_contract) {
  const Outcome run = run_program({"capture", "--help"}, folder_ / "");
  EXPECT_EQ(run.code, 0);
  for (const char* option : {"--model",     "--prompt",      "--prompt-file",   "--dataset", "--limit",     "--raw",
                             "--tokens",    "--temperature", "--top-p",         "--seed",    "--levels",    "--epsilon",
                             "--qkv-dtype", "--ignore-eos",  "--continue-from", "--device",  "--no-record", "--json",
                             "--output",    "--force",       "--quiet",         "--threads"}) {
    EXPECT_NE(run.out.find(option), std::string::npos) << option;
  }
}

}  // namespace
}  // namespace kvwave::cli_testing
