#include "capture/model.h"

#include <cstdlib>

#include <gtest/gtest.h>

#include "capture/error.h"
#include "tests/capture/temporary_folder.h"
#include "tests/capture/tiny_llama.h"

namespace kvwave::capture {
namespace {

using kernels::ParamType;
using testing::GgufBuilder;
using testing::TemporaryFolder;
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

}  // namespace
}  // namespace kvwave::capture
