// The decoder beside transformers (fp32, eager) on the real SmolLM2-135M-Instruct Q4_1 file. The reference values were
// written by tests/fixtures/make_decoder_fixture.py.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "capture/decoder.h"
#include "tests/capture/recording_tap.h"

namespace kvwave::capture {
namespace {

struct Fixture {
  struct Logits {
    std::uint32_t position, stride;
    std::vector<float> values;  // of tokens 0, stride, 2 * stride, ...
  };
  struct Row {
    std::uint32_t layer, q_head, position;
    std::vector<float> values;
  };
  std::vector<std::int32_t> tokens, prompt, greedy;
  std::vector<Logits> logits;
  std::vector<Row> rows;
};

template <typename T>
std::vector<T> rest_of(std::istringstream& line) {
  std::vector<T> values;
  for (T value; line >> value;) values.push_back(value);
  return values;
}

Fixture read_fixture() {
  Fixture f;
  std::ifstream file(std::string(KVWAVE_TEST_DATA) + "/smollm2_135m_q4_1_decoder.txt");
  for (std::string text; std::getline(file, text);) {
    std::istringstream line(text);
    std::string kind;
    line >> kind;
    if (kind == "tokens") f.tokens = rest_of<std::int32_t>(line);
    if (kind == "prompt") f.prompt = rest_of<std::int32_t>(line);
    if (kind == "greedy") f.greedy = rest_of<std::int32_t>(line);
    if (kind == "logits") {
      Fixture::Logits each;
      line >> each.position >> each.stride;
      each.values = rest_of<float>(line);
      f.logits.push_back(each);
    }
    if (kind == "row") {
      Fixture::Row each;
      line >> each.layer >> each.q_head >> each.position;
      each.values = rest_of<float>(line);
      f.rows.push_back(each);
    }
  }
  return f;
}

class DecoderParity : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* path = std::getenv("KVWAVE_MODEL");
    if (path == nullptr) GTEST_SKIP() << "KVWAVE_MODEL names no SmolLM2-135M-Instruct.Q4_1.gguf";
    model_ = std::make_unique<Model>(Model::load(path, FileMemory::copied));
    if (model_->config().name.find("SmolLM2") == std::string::npos && model_->config().n_layers != 30) {
      GTEST_SKIP() << "KVWAVE_MODEL is another model: " << model_->config().name;
    }
    fixture_ = read_fixture();
    ASSERT_GE(fixture_.tokens.size(), 200u);
    ASSERT_EQ(fixture_.logits.size(), 8u);
    ASSERT_EQ(fixture_.rows.size(), 12u);
    ASSERT_EQ(fixture_.greedy.size(), 64u);
  }

  // Feeds the text in pieces that end where the fixture has logits.
  void check_text(CacheType cache, double logit_bound, double row_bound) {
    Decoder decoder(*model_, {cache, 512}, pool_);
    testing::RecordingTap tap;
    std::size_t fed = 0;
    double worst_logit = 0;
    for (const Fixture::Logits& want : fixture_.logits) {
      const std::size_t until = want.position + 1;
      const auto got = decoder.feed(std::span(fixture_.tokens).subspan(fed, until - fed), &tap);
      fed = until;
      for (std::size_t i = 0; i < want.values.size(); ++i) {
        const float value = got[i * want.stride];
        worst_logit = std::max(worst_logit, std::abs(static_cast<double>(value) - static_cast<double>(want.values[i])));
        ASSERT_NEAR(value, want.values[i], logit_bound)
            << "logit of token " << i * want.stride << " at position " << want.position << ": kvwave " << value
            << ", transformers " << want.values[i];
      }
    }
    double worst_row = 0;
    for (const Fixture::Row& want : fixture_.rows) {
      const std::vector<float>& got = tap.rows.at({want.layer, want.q_head, want.position});
      ASSERT_EQ(got.size(), want.values.size());
      for (std::size_t i = 0; i < got.size(); ++i) {
        worst_row = std::max(worst_row, std::abs(static_cast<double>(got[i]) - static_cast<double>(want.values[i])));
        ASSERT_NEAR(got[i], want.values[i], row_bound)
            << "attn_prob of layer " << want.layer << ", q_head " << want.q_head << ", position " << want.position
            << " at position " << i << ": kvwave " << got[i] << ", transformers " << want.values[i];
      }
    }
    std::cout << "largest difference: logits " << worst_logit << ", attention rows " << worst_row << "\n";
  }

  kernels::ThreadPool pool_{2};
  std::unique_ptr<Model> model_;
  Fixture fixture_;
};

TEST_F(DecoderParity, logits_and_rows_equal_transformers_with_a_float_cache) {
  check_text(CacheType::f32, 2e-3, 1e-4);
}

TEST_F(DecoderParity, rows_stay_near_transformers_with_a_half_cache) {
  check_text(CacheType::f16, 0.1, 3e-3);
}

TEST_F(DecoderParity, greedy_tokens_equal_transformers) {
  for (const CacheType cache : {CacheType::f32, CacheType::f16}) {
    Decoder decoder(*model_, {cache, 512}, pool_);
    auto logits = decoder.feed(fixture_.prompt, nullptr);
    for (std::size_t step = 0; step < fixture_.greedy.size(); ++step) {
      const auto best = static_cast<std::int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
      ASSERT_EQ(best, fixture_.greedy[step])
          << "greedy token of step " << step << (cache == CacheType::f32 ? ", f32 cache" : ", f16 cache");
      logits = decoder.feed({&best, 1}, nullptr);
    }
  }
}

}  // namespace
}  // namespace kvwave::capture
