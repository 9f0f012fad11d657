// Every architecture from both kinds of files beside transformers (fp32, eager). Models and reference values were
// written by tests/fixtures/make_model_fixture.py; models_made_now.sh runs the same tests on others, made at test time,
// whose folder KVWAVE_PARITY_MODELS names.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "capture/cuda_sequence.h"
#include "capture/decoder.h"
#include "capture/error.h"
#include "capture/model.h"
#include "tests/capture/recording_tap.h"

namespace kvwave::capture {
namespace {

using Numbers = std::vector<float>;

struct Case {
  std::string architecture;
  bool folder = false;  // safetensors, else GGUF
};
void PrintTo(const Case& c, std::ostream* out) {
  *out << c.architecture << (c.folder ? " from safetensors" : " from GGUF");
}

std::filesystem::path models() {
  const char* made_now = std::getenv("KVWAVE_PARITY_MODELS");
  return made_now != nullptr ? std::filesystem::path(made_now) : std::filesystem::path(KVWAVE_TEST_DATA) / "models";
}

std::filesystem::path path_of(const Case& c) {
  return models() / (c.folder ? c.architecture : c.architecture + ".gguf");
}

nlohmann::json reference_of(const std::string& architecture) {
  std::ifstream in(models() / architecture / "reference.json");
  return nlohmann::json::parse(in);
}

Numbers floats(const std::vector<std::byte>& bytes) {
  Numbers values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

// GGUF files of architecture llama hold the halves of each head interleaved: 0, d/2, 1, d/2 + 1, ...
Numbers in_half_order(const Numbers& heads, std::uint32_t head_dim, RopeLayout layout) {
  if (layout == RopeLayout::half) return heads;
  Numbers sorted(heads.size());
  for (std::size_t i = 0; i < heads.size(); ++i) {
    const std::size_t j = i % head_dim;
    sorted[i - j + j % 2 * (head_dim / 2) + j / 2] = heads[i];
  }
  return sorted;
}

double largest_difference(const Numbers& a, const Numbers& b) {
  EXPECT_EQ(a.size(), b.size());
  double largest = 0;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  }
  return largest;
}

class ArchitectureParity : public ::testing::TestWithParam<Case> {
 protected:
  ArchitectureParity() {
    tokens_ = reference_.at("prompt").get<std::vector<std::int32_t>>();
    const auto greedy = reference_.at("greedy").get<std::vector<std::int32_t>>();
    tokens_.insert(tokens_.end(), greedy.begin(), greedy.end());
  }

  nlohmann::json reference_ = reference_of(GetParam().architecture);
  std::vector<std::int32_t> tokens_;
  Model model_ = Model::load(path_of(GetParam()));
  kernels::ThreadPool pool_{2};
};

// Bounds: ten times what was seen when this was written; logits reach 20, q and k 12.
TEST_P(ArchitectureParity, logits_rows_q_and_k_equal_transformers) {
  Decoder decoder(model_, {CacheType::f32, 0}, pool_);
  testing::RecordingTap tap;
  std::vector<Numbers> logits;
  for (const std::int32_t token : tokens_) {
    const auto last = decoder.feed({&token, 1}, &tap);
    logits.emplace_back(last.begin(), last.end());
  }
  double logit = 0, row = 0, qk = 0;
  for (const auto& want : reference_.at("logits")) {
    logit = std::max(
        logit, largest_difference(logits[want.at("position").get<std::size_t>()], want.at("values").get<Numbers>()));
  }
  for (const auto& want : reference_.at("rows")) {
    const Numbers& got = tap.rows.at({want.at("layer"), want.at("q_head"), want.at("position")});
    row = std::max(row, largest_difference(got, want.at("values").get<Numbers>()));
  }
  const ModelConfig& c = model_.config();
  for (const auto& want : reference_.at("qk")) {
    const auto& got = tap.qkvs.at({want.at("layer"), want.at("position")});
    const Numbers q = in_half_order(floats(got.q), c.head_dim, c.rope_layout);
    const Numbers k = in_half_order(floats(got.k), c.head_dim, c.rope_layout);
    qk = std::max(
        {qk, largest_difference(q, want.at("q").get<Numbers>()), largest_difference(k, want.at("k").get<Numbers>())});
  }
  EXPECT_LT(logit, 5e-4);
  EXPECT_LT(row, 2e-5);
  EXPECT_LT(qk, 1e-4);
  std::cout << "largest difference: logits " << logit << ", rows " << row << ", q and k " << qk << "\n";
}

TEST_P(ArchitectureParity, greedy_tokens_equal_transformers_over_64_steps) {
  const auto prompt = reference_.at("prompt").get<std::vector<std::int32_t>>();
  const auto want = reference_.at("greedy").get<std::vector<std::int32_t>>();
  ASSERT_EQ(want.size(), 64U);
  Decoder decoder(model_, {CacheType::f32, 0}, pool_);
  auto logits = decoder.feed(prompt, nullptr);
  for (std::size_t step = 0; step < want.size(); ++step) {
    const auto best = static_cast<std::int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
    ASSERT_EQ(best, want[step]) << "step " << step;
    logits = decoder.feed({&best, 1}, nullptr);
  }
}

INSTANTIATE_TEST_SUITE_P(EveryModel, ArchitectureParity,
                         ::testing::Values(Case{"llama", true}, Case{"llama", false}, Case{"mistral", true},
                                           Case{"mistral", false}, Case{"qwen2", true}, Case{"qwen2", false},
                                           Case{"qwen3", true}, Case{"qwen3", false}),
                         [](const auto& each) {
                           return each.param.architecture + (each.param.folder ? "_safetensors" : "_gguf");
                         });

// The device kernels rotate without a factor: such a model is refused by name, not decoded wrongly.
TEST(CudaModel, rope_scaling_with_an_attention_factor_is_refused) {
  EXPECT_THROW(decoder_model(Model::load(path_of({"qwen2", true}))), UnsupportedModel);
  EXPECT_NO_THROW(decoder_model(Model::load(path_of({"llama", true}))));
}

// The file kind changes neither the numbers nor, but for their order within a head, q and k: so the statistics that a
// trace holds are the same up to the last bits of a row.
TEST(BothFileKinds, give_the_same_trace_statistics) {
  for (const std::string architecture : {"llama", "mistral", "qwen2", "qwen3"}) {
    SCOPED_TRACE(architecture);
    kernels::ThreadPool pool(2);
    const auto prompt = reference_of(architecture).at("prompt").get<std::vector<std::int32_t>>();
    std::array<testing::RecordingTap, 2> taps;
    for (const bool folder : {false, true}) {
      const Model model = Model::load(path_of({architecture, folder}));
      Decoder decoder(model, {CacheType::f32, 0}, pool);
      decoder.feed(prompt, &taps[folder ? 1 : 0]);
    }
    ASSERT_EQ(taps[0].rows.size(), taps[1].rows.size());
    for (const auto& [at, row] : taps[0].rows) {
      const Numbers& other = taps[1].rows.at(at);
      ASSERT_LT(largest_difference(row, other), 1e-5);
      double entropy[2] = {0, 0}, sink[2] = {0, 0};
      for (std::size_t i = 0; i < row.size(); ++i) {
        for (const int kind : {0, 1}) {
          const double p = static_cast<double>(kind == 0 ? row[i] : other[i]);
          if (p > 0) entropy[kind] -= p * std::log(p);
          if (i < 4) sink[kind] += p;
        }
      }
      ASSERT_NEAR(entropy[0], entropy[1], 1e-4);
      ASSERT_NEAR(sink[0], sink[1], 1e-5);
    }
  }
}

}  // namespace
}  // namespace kvwave::capture
