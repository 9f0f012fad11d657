// `kvwave tokenize` and `kvwave info MODEL` on a tiny model, as a user runs them.
#include <algorithm>
#include <filesystem>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/capture/tiny_llama.h"
#include "tests/cli/program.h"
#include "tests/temporary_folder.h"

namespace kvwave::cli_testing {
namespace {

class ModelCommands : public ::testing::Test {
 protected:
  ModelCommands() { capture::testing::write_tiny_llama(folder_ / "tiny.gguf"); }

  Outcome run(const std::vector<std::string>& args, const std::string& input = "") const {
    return run_program(args, folder_ / "", input);
  }
  std::string model() const { return (folder_ / "tiny.gguf").string(); }
  static void expect_refusal(const Outcome& run, int code, const std::string& part) {
    EXPECT_EQ(run.code, code) << run.err;
    EXPECT_EQ(run.out, "");
    EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
    EXPECT_NE(run.err.find(part), std::string::npos) << run.err;
  }

  TemporaryFolder folder_;
};

// The tiny vocabulary gives byte b the id 3 + b; "er" is 265 and "st", which outranks "is", 269.
TEST_F(ModelCommands, tokenize_prints_ids_of_the_rendered_prompt) {
  const Outcome run = this->run({"tokenize", "-m", model(), "-p", "xy"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(run.out, "1 120 118 265 13 123 124 2 13 1 100 118 118 108 269 100 113 119 13\n");
}

TEST_F(ModelCommands, tokenize_raw_takes_text_option_file_and_stdin_alike) {
  const std::string text = "ab<|im_end|>\n";
  const std::string expected = "100 101 2 13\n";
  EXPECT_EQ(run({"tokenize", "-m", model(), "--raw", "-p", text}).out, expected);
  EXPECT_EQ(run({"tokenize", "-m", model(), "--raw", "-P", "-"}, text).out, expected);
  std::ofstream(folder_ / "text.txt") << text;
  EXPECT_EQ(run({"tokenize", "-m", model(), "--raw", "-P", (folder_ / "text.txt").string()}).out, expected);
}

// The template puts ChatML around whatever role comes: the ids of "system" begin with 118, those of "user" with 120.
TEST_F(ModelCommands, tokenize_puts_a_system_message_in_front) {
  const Outcome run = this->run({"tokenize", "-m", model(), "-p", "xy", "--system", "q"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(run.out.find("1 118 124 269 104 112 13 116 2 13 1 120"), 0U) << run.out;
  expect_refusal(this->run({"tokenize", "-m", model(), "-p", "x", "--system", "q", "--raw"}), 2, "--system");
  expect_refusal(this->run({"tokenize", "-m", model(), "-p", "x", "--think", "--no-think"}), 2, "--no-think");
  expect_refusal(this->run({"tokenize", "-m", model(), "-p", "x", "--no-think"}), 1, "no switch for thinking");
}

TEST_F(ModelCommands, tokenize_refuses_wrong_command_lines) {
  expect_refusal(run({"tokenize", "-p", "x"}), 2, "--model");
  expect_refusal(run({"tokenize", "-m", model()}), 2, "--prompt");
  expect_refusal(run({"tokenize", "-m", model(), "-p", "x", "-P", "-"}), 2, "--prompt");
  expect_refusal(run({"tokenize", "-m", model(), "-p", "x", "--rwa"}), 2, "--rwa");
  expect_refusal(run({"tokenize", "-m", model(), "-P", (folder_ / "none.txt").string()}), 1, "none.txt");
  expect_refusal(run({"tokenize", "-m", (folder_ / "none.gguf").string(), "-p", "x"}), 1, "none.gguf");
}

TEST_F(ModelCommands, tokenize_points_to_raw_when_the_template_is_not_known) {
  capture::testing::GgufBuilder builder = capture::testing::build_tiny_llama();
  builder.set_string("tokenizer.chat_template", "{% include 'x' %}");
  builder.write(folder_ / "odd.gguf");
  const std::string odd = (folder_ / "odd.gguf").string();
  expect_refusal(run({"tokenize", "-m", odd, "-p", "x"}), 1, "--raw");
  EXPECT_EQ(run({"tokenize", "-m", odd, "-p", "x", "--raw"}).out, "123\n");
}

TEST_F(ModelCommands, info_json_holds_shape_sizes_and_tokenizer) {
  const Outcome run = this->run({"info", model(), "--json", "--positions", "100"});
  ASSERT_EQ(run.code, 0) << run.err;
  const auto json = nlohmann::json::parse(run.out);
  EXPECT_EQ(json.at("architecture"), "llama");
  EXPECT_EQ(json.at("n_layers"), 2);
  EXPECT_EQ(json.at("n_q_heads"), 4);
  EXPECT_EQ(json.at("n_kv_heads"), 2);
  EXPECT_EQ(json.at("head_dim"), 16);
  EXPECT_EQ(json.at("kv_bytes_per_token").at("f16"), 2 * 2 * 2 * 16 * 2);
  EXPECT_EQ(json.at("kv_bytes_per_token").at("f32"), 2 * 2 * 2 * 16 * 4);
  EXPECT_EQ(json.at("tensors").at("F32"), 2 + 2 * 9);
  EXPECT_EQ(json.at("trace_bytes_per_token").at("positions"), 100);
  EXPECT_EQ(json.at("trace_bytes_per_token").at("qkv"), 2 * (4 + 2 + 2) * 16 * 2);
  const auto& host = json.at("host_bytes");
  EXPECT_EQ(host.at("positions"), 100);
  EXPECT_EQ(host.at("parameters"), std::filesystem::file_size(model()));
  EXPECT_EQ(host.at("kv_cache"), 2 * 64 * json.at("kv_bytes_per_token").at("f16").get<int>()) << "pages of 64";
  EXPECT_EQ(host.at("parameters_are"), "copied");
  EXPECT_GT(host.at("available").get<std::uint64_t>(), host.at("total").get<std::uint64_t>());
  const auto& device = json.at("device_bytes");
  if (device.at("problem").is_null()) {
    EXPECT_EQ(device.at("f16").at("positions"), 512) << "what the decoder makes room for, not what was asked";
    EXPECT_EQ(device.at("f16").at("kv_cache_per_token"), json.at("kv_bytes_per_token").at("f16"));
    EXPECT_EQ(device.at("f32").at("kv_cache_per_token"), json.at("kv_bytes_per_token").at("f32"));
    EXPECT_GE(device.at("f16").at("parameters"), json.at("param_bytes"));
  } else {
    EXPECT_EQ(device.at("problem"), "this program was built without CUDA");
    EXPECT_TRUE(device.at("f16").is_null());
  }
  EXPECT_EQ(json.at("tokenizer").at("pre"), "smollm");
  EXPECT_TRUE(json.at("chat_problem").is_null());
  EXPECT_EQ(json.at("thinking_switch"), false);
  EXPECT_EQ(json.at("format"), "gguf");
  EXPECT_EQ(json.at("sha256").get<std::string>().size(), 64U);
}

TEST_F(ModelCommands, a_folder_with_safetensors_is_a_model) {
  const std::string folder = std::string(KVWAVE_TEST_DATA) + "/models/qwen3";
  const Outcome info = run({"info", folder, "--json", "--quick"});
  ASSERT_EQ(info.code, 0) << info.err;
  const auto json = nlohmann::json::parse(info.out);
  EXPECT_EQ(json.at("format"), "safetensors");
  EXPECT_EQ(json.at("architecture"), "qwen3");
  EXPECT_EQ(json.at("head_dim"), 16);
  EXPECT_TRUE(json.at("tokenizer").at("problem").is_null());
  EXPECT_EQ(run({"tokenize", "-m", folder, "-p", "Hi"}).code, 0);
  const Outcome capture = run({"capture", "-m", folder, "-p", "Hi", "-n", "3", "-o", (folder_ / "q.h5").string()});
  EXPECT_EQ(capture.code, 0) << capture.err;
  EXPECT_EQ(run({"verify", (folder_ / "q.h5").string()}).code, 0);
  expect_refusal(run({"info", (folder_ / "").string()}), 1, "no config.json in the folder");
}

TEST_F(ModelCommands, info_says_what_it_cannot_use_and_still_describes_the_rest) {
  capture::testing::GgufBuilder builder = capture::testing::build_tiny_llama();
  builder.set_string("tokenizer.ggml.pre", "tekken");
  builder.set_string("general.name", "evil\n\x1b[31mname\xff");
  builder.remove("tokenizer.chat_template");
  builder.write(folder_ / "odd.gguf");
  const std::string odd = (folder_ / "odd.gguf").string();
  const Outcome text = run({"info", odd});
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_NE(text.out.find("pre-tokenizer 'tekken' is not known"), std::string::npos) << text.out;
  EXPECT_NE(text.out.find("no chat template"), std::string::npos) << text.out;
  EXPECT_EQ(text.out.find('\x1b'), std::string::npos) << "control characters of the file reach the terminal";
  const Outcome json = run({"info", odd, "--json", "--quick"});
  EXPECT_TRUE(nlohmann::json::parse(json.out).at("sha256").is_null());
  expect_refusal(run({"info", odd, "--positions", "0"}), 2, "--positions");
}

TEST_F(ModelCommands, the_environment_lowers_the_cpu_path_and_mistakes_in_it_are_named) {
  ::setenv("KVWAVE_SIMD", "baseline", 1);
  const Outcome lowered = run({"info", model(), "--json", "--quick"});
  ::setenv("KVWAVE_SIMD", "sse9", 1);
  const Outcome mistaken = run({"info", model(), "--json", "--quick"});
  ::unsetenv("KVWAVE_SIMD");
  EXPECT_EQ(nlohmann::json::parse(lowered.out).at("cpu_path"), "baseline");
  expect_refusal(mistaken, 1, "KVWAVE_SIMD: expected baseline, avx2 or avx512, got 'sse9'");
}

}  // namespace
}  // namespace kvwave::cli_testing
