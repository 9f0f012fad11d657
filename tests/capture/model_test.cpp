#include "capture/model.h"

#include <utility>

#include <gtest/gtest.h>

#include "tests/capture/fixture.h"
#include "tests/capture/tiny_llama.h"
#include "tests/temporary_folder.h"
#include "traces/sha256.h"

namespace kvwave::capture {
namespace {

using kernels::ParamType;
using testing::GgufBuilder;
using testing::TinyLlama;

TEST(Model, reads_a_tiny_llama_as_it_was_written) {
  const TemporaryFolder folder;
  TinyLlama tiny;
  tiny.n_layers = 3;
  tiny.matrix_type = ParamType::q4_1;
  tiny.embedding_type = ParamType::q8_0;
  testing::write_tiny_llama(folder / "tiny.gguf", tiny);
  const Model model = Model::load(folder / "tiny.gguf");
  const ModelConfig& c = model.config();
  EXPECT_EQ(c.architecture, "llama");
  EXPECT_EQ(c.name, "tiny");
  EXPECT_EQ(c.n_layers, 3U);
  EXPECT_EQ(c.hidden, 64U);
  EXPECT_EQ(c.ffn, 96U);
  EXPECT_EQ(c.n_q_heads, 4U);
  EXPECT_EQ(c.n_kv_heads, 2U);
  EXPECT_EQ(c.head_dim, 16U);
  EXPECT_EQ(c.context_length, 512U);
  EXPECT_EQ(c.vocab_size, model.tokenizer_data().pieces.size());
  EXPECT_EQ(c.rope_theta, 10000.0);
  EXPECT_EQ(c.rope_layout, RopeLayout::interleaved);
  EXPECT_TRUE(c.rope_divisor.empty());
  EXPECT_EQ(c.rope_scaling, "{}");
  EXPECT_TRUE(c.tied_output);
  EXPECT_EQ(model.output().data, model.token_embedding().data);
  ASSERT_EQ(model.layers().size(), 3U);
  EXPECT_EQ(model.layers()[2].k.rows, 32U);
  EXPECT_EQ(model.layers()[2].down.cols, 96U);
  EXPECT_EQ(model.layers()[2].down.type, ParamType::q4_1);
  EXPECT_EQ(model.layers()[0].attn_norm.size(), 64U);
  EXPECT_NEAR(model.layers()[0].attn_norm[0], 1.0F, 0.2F);
  EXPECT_EQ(model.tensors_by_type().at("Q4_1"), 21U);
  EXPECT_EQ(model.tensors_by_type().at("Q8_0"), 1U);
}

TEST(Model, reads_linear_rope_scaling_as_divisors) {
  const TemporaryFolder folder;
  GgufBuilder b = testing::build_tiny_llama();
  b.set_string("llama.rope.scaling.type", "linear");
  b.set_f32("llama.rope.scaling.factor", 4.0F);
  b.write(folder / "linear.gguf");
  const Model model = Model::load(folder / "linear.gguf");
  EXPECT_EQ(model.config().rope_divisor, std::vector<float>(8, 4.0F));
  EXPECT_EQ(nlohmann::json::parse(model.config().rope_scaling).at("type"), "linear");
  EXPECT_EQ(nlohmann::json::parse(model.config().rope_scaling).at("factor"), 4.0);
}

TEST(Model, reads_rope_divisors_of_llama_3) {
  const TemporaryFolder folder;
  GgufBuilder b = testing::build_tiny_llama();
  const std::vector<float> divisors = {1, 1, 1, 1.6513F, 3.2923F, 9.6667F, 32, 32};
  std::string bytes;
  for (const float divisor : divisors) bytes += testing::little_endian(divisor);
  b.add_tensor("rope_freqs.weight", {8}, 0, bytes);
  b.write(folder / "llama3.gguf");
  const Model model = Model::load(folder / "llama3.gguf");
  EXPECT_EQ(model.config().rope_divisor, divisors);
  EXPECT_EQ(nlohmann::json::parse(model.config().rope_scaling).at("divisors").get<std::vector<float>>(), divisors);
}

TEST(Model, untied_output_is_its_own_matrix) {
  const TemporaryFolder folder;
  TinyLlama tiny;
  tiny.tied_output = false;
  testing::write_tiny_llama(folder / "untied.gguf", tiny);
  const Model model = Model::load(folder / "untied.gguf");
  EXPECT_FALSE(model.config().tied_output);
  EXPECT_NE(model.output().data, model.token_embedding().data);
}

TEST(Model, head_dim_is_derived_where_the_file_does_not_state_it) {
  const TemporaryFolder folder;
  GgufBuilder b = testing::build_tiny_llama();
  for (const char* key : {"attention.key_length", "attention.value_length", "rope.dimension_count", "vocab_size"}) {
    b.remove(std::string("llama.") + key);
  }
  b.write(folder / "derived.gguf");
  EXPECT_EQ(Model::load(folder / "derived.gguf").config().head_dim, 16U);
}

TEST(Model, norms_in_half_precision_are_expanded) {
  const TemporaryFolder folder;
  GgufBuilder b = testing::build_tiny_llama();
  std::string halves, bfloats;
  for (int i = 0; i < 64; ++i) {
    halves += testing::little_endian<std::uint16_t>(0x3c00);
    bfloats += testing::little_endian<std::uint16_t>(0x4000);
  }
  b.tensor("blk.0.attn_norm.weight").type = 1;
  b.tensor("blk.0.attn_norm.weight").bytes = halves;
  b.tensor("blk.0.ffn_norm.weight").type = 30;
  b.tensor("blk.0.ffn_norm.weight").bytes = bfloats;
  b.write(folder / "half.gguf");
  const Model model = Model::load(folder / "half.gguf");
  EXPECT_EQ(model.layers()[0].attn_norm[63], 1.0F);
  EXPECT_EQ(model.layers()[0].ffn_norm[63], 2.0F);
}

TEST(Model, views_stay_valid_when_the_model_moves) {
  const TemporaryFolder folder;
  testing::write_tiny_llama(folder / "tiny.gguf");
  Model first = Model::load(folder / "tiny.gguf");
  const std::span<const float> norm = first.layers()[0].attn_norm;
  const float value = norm[0];
  const Model second = std::move(first);
  EXPECT_EQ(second.layers()[0].attn_norm.data(), norm.data());
  EXPECT_EQ(norm[0], value);
}

TEST(Model, hashes_name_the_file_and_the_vocabulary) {
  const TemporaryFolder folder;
  TinyLlama tiny;
  testing::write_tiny_llama(folder / "a.gguf", tiny);
  tiny.seed = 2;
  testing::write_tiny_llama(folder / "b.gguf", tiny);
  tiny.pre = "gpt-2";
  testing::write_tiny_llama(folder / "c.gguf", tiny);
  const Model a = Model::load(folder / "a.gguf");
  const Model b = Model::load(folder / "b.gguf");
  const Model c = Model::load(folder / "c.gguf");
  EXPECT_EQ(a.sha256(), traces::sha256_file(folder / "a.gguf"));
  EXPECT_NE(a.sha256(), b.sha256());
  EXPECT_EQ(a.tokenizer_sha256(), b.tokenizer_sha256());
  EXPECT_NE(b.tokenizer_sha256(), c.tokenizer_sha256());
}

TEST(Model, reads_smollm2) {
  KVWAVE_REQUIRE_MODEL(path);
  const Model model = Model::load(path);
  const ModelConfig& c = model.config();
  EXPECT_EQ(c.n_layers, 30U);
  EXPECT_EQ(c.hidden, 576U);
  EXPECT_EQ(c.ffn, 1536U);
  EXPECT_EQ(c.n_q_heads, 9U);
  EXPECT_EQ(c.n_kv_heads, 3U);
  EXPECT_EQ(c.head_dim, 64U);
  EXPECT_EQ(c.vocab_size, 49152U);
  EXPECT_EQ(c.context_length, 8192U);
  EXPECT_EQ(c.rope_theta, 100000.0);
  EXPECT_TRUE(c.tied_output);
  const std::map<std::string, std::uint64_t> types = {{"F32", 61}, {"Q4_1", 210}, {"Q8_0", 1}};
  EXPECT_EQ(model.tensors_by_type(), types);
}

}  // namespace
}  // namespace kvwave::capture
