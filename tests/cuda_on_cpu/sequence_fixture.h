// A tiny model, decoded and recorded on the simulated device or on the CPU.
#pragma once

#include <cmath>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "capture/sequence_decoder.h"
#include "capture/session.h"
#include "capture/trace_description.h"
#include "tests/temporary_folder.h"
#include "tests/capture/tiny_llama.h"
#include "traces/writer.h"

namespace kvwave::capture {

using testing::TinyLlama;

inline const kernels::Device kDevice{0, "cuda:0 (kernels on the CPU)"};
/// Logits of the tiny models are of size 10 or so; fp32 in another order of additions, two layers deep.
inline constexpr double kLogitBound = 2e-4;

class CudaSequenceTest : public ::testing::Test {
 protected:
  void write_model(const TinyLlama& shape) {
    const std::filesystem::path path = folder_ / (std::to_string(n_models_++) + ".gguf");
    testing::write_tiny_llama(path, shape);
    model_ = std::make_unique<Model>(Model::load(path));
  }

  /// Feeds both decoders block by block and compares the logits after each.
  void expect_equal_logits(const std::vector<std::vector<std::int32_t>>& blocks, const std::string& what) {
    kernels::ThreadPool pool(1);
    const auto cpu = make_sequence_decoder(*model_, CacheType::f32, pool, {});
    const auto device = make_sequence_decoder(*model_, CacheType::f32, pool, kDevice);
    std::uint32_t n_positions = 0;
    for (const auto& block : blocks) n_positions += static_cast<std::uint32_t>(block.size());
    cpu->begin(n_positions, nullptr);
    device->begin(n_positions, nullptr);
    std::size_t step = 0;
    for (const auto& block : blocks) {
      const std::span<const float> expected = cpu->feed(block);
      const std::span<const float> actual = device->feed(block);
      ASSERT_EQ(actual.size(), expected.size());
      for (std::size_t id = 0; id < expected.size(); ++id) {
        ASSERT_NEAR(actual[id], expected[id], kLogitBound * (1 + std::fabs(expected[id])))
            << what << ", block " << step << ", token " << id;
      }
      ++step;
    }
  }

  struct Recording {
    std::filesystem::path path;
    RunResult result;
  };
  Recording record(const PromptTokens& tokens, const DecodeOptions& decode, const RecordOptions& record_options,
                   const kernels::Device& device) {
    const Tokenizer tokenizer(model_->tokenizer_data());
    kernels::ThreadPool pool(1);
    Session session(*model_, tokenizer, pool, decode, device);
    const RunPlan plan = plan_run(tokens, decode, model_->config().context_length);
    RunIdentity identity{"kvwave capture", std::string(64, 'a'), std::string(64, 'b'),
                         session.decoder().attention_kernel(), "raw"};
    identity.device = session.decoder().device_name();
    const traces::TraceInfo info = describe_trace(*model_, tokens, decode, record_options, identity);
    Recording recording;
    recording.path = newest_trace_ = folder_ / (std::to_string(n_models_++) + ".h5");
    traces::TraceWriter writer(recording.path, info);
    recording.result = session.run(tokens, plan, {}, &info, &writer);
    return recording;
  }

  TemporaryFolder folder_;
  std::unique_ptr<Model> model_;
  std::filesystem::path newest_trace_;  // also of a recording that failed
  int n_models_ = 0;
};

inline DecodeOptions greedy(std::uint32_t n_tokens, CacheType cache_type) {
  DecodeOptions options;
  options.max_tokens = n_tokens;
  options.ignore_eos = true;
  options.cache_type = cache_type;
  return options;
}

inline PromptTokens prompt_of(std::uint32_t n_tokens) {
  PromptTokens prompt;
  for (std::uint32_t i = 0; i < n_tokens; ++i) prompt.ids.push_back(static_cast<std::int32_t>(3 + i * 37 % 250));
  return prompt;
}

}  // namespace kvwave::capture
