// Wrong input to `kvwave capture`: one clear line, the right exit code, nothing lost.
#include <gtest/gtest.h>

#include "tests/cli/capture_fixture.h"
#include "traces/reader.h"

namespace kvwave::cli_testing {
namespace {

class CaptureMistakes : public CaptureFixture {
 protected:
  /// One line on stderr that holds all the words, nothing on stdout.
  static void expect_refusal(const Outcome& run, int code, const std::vector<std::string>& words) {
    EXPECT_EQ(run.code, code) << run.err;
    EXPECT_EQ(run.out, "");
    EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
    for (const std::string& word : words) EXPECT_NE(run.err.find(word), std::string::npos) << run.err;
  }
  std::string out() const { return path("out.h5"); }
};

TEST_F(CaptureMistakes, missing_required_options_are_named) {
  expect_refusal(run_program({"capture", "-p", "x", "-o", out()}, folder_ / ""), 2, {"--model"});
  expect_refusal(capture({"-o", out()}), 2, {"--prompt", "--dataset"});
  expect_refusal(capture({"-p", "x"}), 2, {"--output", "--no-record"});
}

TEST_F(CaptureMistakes, bad_numbers_are_named) {
  for (const char* bad : {"0", "-5", "abc", "1.5", "", "99999999999999999999", "7x"}) {
    expect_refusal(capture({"-p", "x", "-n", bad, "-o", out()}), 2, {"--tokens", std::string("'") + bad + "'"});
  }
  expect_refusal(capture({"-p", "x", "--temperature", "hot", "-o", out()}), 2, {"--temperature", "'hot'"});
  expect_refusal(capture({"-p", "x", "--temperature", "nan", "-o", out()}), 2, {"--temperature", "'nan'"});
  expect_refusal(capture({"-p", "x", "--top-p", "0", "-o", out()}), 2, {"--top-p", "'0'"});
  expect_refusal(capture({"-p", "x", "--top-p", "1.01", "-o", out()}), 2, {"--top-p"});
  expect_refusal(capture({"-p", "x", "--seed", "-1", "-o", out()}), 2, {"--seed"});
  expect_refusal(capture({"-p", "x", "--epsilon", "1", "-o", out()}), 2, {"--epsilon"});
  expect_refusal(capture({"-p", "x", "--rho", "0.5,,0.9", "-o", out()}), 2, {"--rho"});
  expect_refusal(capture({"-p", "x", "--rho", "1.5", "-o", out()}), 2, {"--rho"});
  expect_refusal(capture({"-p", "x", "--threads", "5000", "-o", out()}), 2, {"--threads"});
}

TEST_F(CaptureMistakes, unknown_words_suggest_the_nearest) {
  expect_refusal(capture({"-p", "x", "--tokns", "5", "-o", out()}), 2, {"--tokns", "did you mean '--tokens'"});
  expect_refusal(capture({"-p", "x", "--levels", "stats,atention", "-o", out()}), 2,
                 {"--levels", "atention", "did you mean 'attention'"});
  expect_refusal(capture({"-p", "x", "--levels", "qkv,qkv", "-o", out()}), 2, {"--levels", "qkv"});
  expect_refusal(capture({"-p", "x", "--qkv-dtype", "f64", "-o", out()}), 2, {"--qkv-dtype", "f16, f32", "'f64'"});
  expect_refusal(capture({"-p", "x", "--device", "tpu", "-o", out()}), 2, {"--device", "'tpu'"});
  expect_refusal(capture({"-p", "x", "stray", "-o", out()}), 2, {"arguments"});
}

TEST_F(CaptureMistakes, contradicting_options_are_refused) {
  expect_refusal(capture({"-p", "x", "-P", "y", "-o", out()}), 2, {"--prompt"});
  expect_refusal(capture({"-p", "x", "--no-record", "-o", out()}), 2, {"--no-record", "--output"});
  expect_refusal(capture({"-p", "x", "--limit", "2", "-o", out()}), 2, {"--limit", "--dataset"});
  expect_refusal(capture({"-p", "x", "--continue-from", "y", "--temperature", "1", "-o", out()}), 2,
                 {"--temperature", "--continue-from"});
}

TEST_F(CaptureMistakes, cuda_is_refused_and_not_replaced) {
  // No machine has that many devices; where there is none at all, the driver or the build is to blame.
  expect_refusal(capture({"-p", "x", "--device", "cuda:4096", "-o", out()}), 1, {"CUDA"});
  EXPECT_FALSE(std::filesystem::exists(out()));
}

TEST_F(CaptureMistakes, existing_output_is_kept_unless_forced) {
  write("out.h5", "precious");
  expect_refusal(capture({"-p", "x", "-n", "2", "-o", out()}), 1, {"out.h5", "-f"});
  EXPECT_EQ(file_text(out()), "precious");
  const Outcome forced = capture({"-p", "x", "-n", "2", "-f", "-o", out()});
  EXPECT_EQ(forced.code, 0) << forced.err;
  EXPECT_NE(file_text(out()), "precious");
}

TEST_F(CaptureMistakes, unusable_outputs_are_named_before_the_model_is_loaded) {
  // The model does not exist: had it been loaded, the complaint would be about it.
  const auto refused = [&](const std::string& output) {
    return run_program({"capture", "-m", path("none.gguf"), "-p", "x", "-o", output}, folder_ / "");
  };
  expect_refusal(refused(path("no/such/folder/a.h5")), 1, {"no/such/folder"});
  expect_refusal(refused(path("")), 1, {path("")});
  EXPECT_EQ(capture({"-p", "x", "-n", "1", "-o", "/proc/kvwave.h5"}).code, 1);
}

TEST_F(CaptureMistakes, the_model_file_is_never_overwritten) {
  const std::string before = file_text(path("tiny.gguf"));
  expect_refusal(capture({"-p", "x", "-f", "-o", path("tiny.gguf")}), 2, {"the model file itself"});
  EXPECT_EQ(file_text(path("tiny.gguf")), before);
}

TEST_F(CaptureMistakes, prompts_that_cannot_be_used_are_named) {
  expect_refusal(capture({"-p", "", "-o", out()}), 1, {"the prompt is empty"});
  expect_refusal(capture({"-P", "-", "-o", out()}), 1, {"the prompt is empty"});
  expect_refusal(capture({"-P", path("none.txt"), "-o", out()}), 1, {"none.txt", "No such file"});
  expect_refusal(capture({"-P", path(""), "-o", out()}), 1, {"Is a directory"});
  expect_refusal(capture({"-p", "x", "--continue-from", write("empty.txt", ""), "-o", out()}), 1, {"continuation"});
  EXPECT_FALSE(std::filesystem::exists(out()));
}

TEST_F(CaptureMistakes, a_context_too_long_says_all_numbers) {
  expect_refusal(capture({"-p", "Hello", "--raw", "-n", "60000", "-o", out()}), 1, {"60000", "60001", "context"});
  EXPECT_FALSE(std::filesystem::exists(out()));
}

TEST_F(CaptureMistakes, bad_dataset_lines_are_named_before_anything_is_written) {
  const std::string dataset = write("set.jsonl", "{\"prompt\": \"one\"}\n{\"prompt\": 2}\n");
  expect_refusal(capture({"--dataset", dataset, "-o", path("traces")}), 1, {"set.jsonl, line 2", "should be a string"});
  EXPECT_FALSE(std::filesystem::exists(path("traces")));
  write("file", "x");
  const std::string good = write("good.jsonl", "{\"prompt\": \"one\"}\n");
  expect_refusal(capture({"--dataset", good, "-o", path("file")}), 1, {"file", "folder"});
}

TEST_F(CaptureMistakes, models_that_cannot_be_read_are_named) {
  const auto with = [&](const std::string& model) {
    return run_program({"capture", "-m", model, "-p", "x", "-o", out()}, folder_ / "");
  };
  expect_refusal(with(path("none.gguf")), 1, {"none.gguf"});
  expect_refusal(with(path("")), 1, {path("")});
  expect_refusal(with(write("text.gguf", "this is text")), 1, {"text.gguf"});
  expect_refusal(with(write("empty.gguf", "")), 1, {"empty.gguf"});
  EXPECT_FALSE(std::filesystem::exists(out()));
}

TEST_F(CaptureMistakes, a_full_disk_ends_the_run_with_a_readable_trace) {
  const Outcome run =
      capture({"-p", "Hello", "-n", "4000", "--ignore-eos", "--quiet", "-o", out()}, "", {.file_bytes = 2'000'000});
  EXPECT_EQ(run.code, 1) << run.err;
  EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
  EXPECT_NE(run.err.find("out.h5"), std::string::npos) << run.err;
  const traces::TraceReader reader(out());
  EXPECT_FALSE(reader.status().complete);
}

}  // namespace
}  // namespace kvwave::cli_testing
