// Well-formed GGUF files that are no model kvwave can decode: hyperparameters, tensors and values.
#include <limits>

#include <gtest/gtest.h>

#include "capture/error.h"
#include "tests/capture/expect_load_error.h"
#include "tests/capture/tiny_llama.h"
#include "tests/temporary_folder.h"

namespace kvwave::capture {
namespace {

using testing::build_tiny_llama;
using testing::expect_build_error;
using testing::GgufBuilder;
using testing::little_endian;
using testing::TinyLlama;

TEST(BadModel, architectures_it_does_not_know_are_named_with_the_known_ones) {
  GgufBuilder b = build_tiny_llama();
  b.set_string("general.architecture", "gemma3");
  expect_build_error<UnsupportedModel>(
      b, "architecture 'gemma3' is not known; known architectures: llama, mistral, qwen2, qwen3");
  b.set_u32("general.architecture", 3);
  expect_build_error<BadModelFile>(b, "expected a string, got u32");
  b.remove("general.architecture");
  expect_build_error<BadModelFile>(b, "'general.architecture' is missing");
}

TEST(BadModel, every_needed_key_is_named_when_missing) {
  for (const std::string key : {"block_count", "context_length", "embedding_length", "feed_forward_length",
                                "attention.head_count", "attention.layer_norm_rms_epsilon"}) {
    GgufBuilder b = build_tiny_llama();
    b.remove("llama." + key);
    expect_build_error<BadModelFile>(b, "'llama." + key + "' is missing");
  }
}

TEST(BadModel, sizes_of_zero_or_beyond_reason_are_refused) {
  for (const std::string key :
       {"block_count", "context_length", "embedding_length", "feed_forward_length", "attention.head_count",
        "attention.head_count_kv", "attention.key_length", "attention.value_length", "rope.dimension_count"}) {
    for (const std::uint32_t value : {0U, 0xffffffffU}) {
      GgufBuilder b = build_tiny_llama();
      b.set_u32("llama." + key, value);
      expect_build_error<BadModelFile>(b, "'llama." + key + "' is " + std::to_string(value));
    }
    GgufBuilder b = build_tiny_llama();
    b.set_string("llama." + key, "many");
    expect_build_error<BadModelFile>(b, "expected an integer, got string");
    b.set_raw("llama." + key, 11, little_endian<std::int64_t>(-4));
    expect_build_error<BadModelFile>(b, "negative");
  }
}

TEST(BadModel, real_numbers_out_of_range_are_refused) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const std::string key : {"attention.layer_norm_rms_epsilon", "rope.freq_base", "rope.scaling.factor"}) {
    for (const float value : {kNan, kInfinity, -1.0F}) {
      GgufBuilder b = build_tiny_llama();
      b.set_f32("llama." + key, value);
      expect_build_error<BadModelFile>(b, "'llama." + key + "' is ");
    }
  }
}

TEST(BadModel, heads_that_do_not_fit) {
  GgufBuilder b = build_tiny_llama();
  b.set_u32("llama.attention.head_count_kv", 3);
  expect_build_error<BadModelFile>(b, "4 query heads are not a multiple of 3 KV heads");
  b = build_tiny_llama();
  b.remove("llama.attention.key_length");
  b.set_u32("llama.attention.head_count", 6);
  expect_build_error<BadModelFile>(b, "embedding length 64 is not a multiple of 6 query heads");
  b = build_tiny_llama();
  b.set_u32("llama.attention.key_length", 15);
  expect_build_error<BadModelFile>(b, "15 is odd");
  b = build_tiny_llama();
  b.set_u32("llama.attention.value_length", 8);
  expect_build_error<UnsupportedModel>(b, "value length 8 differs from key length 16");
  b = build_tiny_llama();
  b.set_u32("llama.rope.dimension_count", 8);
  expect_build_error<UnsupportedModel>(b, "only 8 of 16");
}

TEST(BadModel, missing_and_misshapen_tensors_are_named_with_both_shapes) {
  GgufBuilder b = build_tiny_llama();
  b.remove_tensor("blk.1.attn_k.weight");
  b.add_tensor("blk.1.attn_x.weight", {1}, 0, std::string(4, '\0'));
  expect_build_error<BadTensor>(b, "'blk.1.attn_k.weight' is missing; expected shape [64, 32]");
  b = build_tiny_llama();
  b.tensor("blk.0.ffn_down.weight").shape = {64, 96};  // transposed
  expect_build_error<BadTensor>(b, "'blk.0.ffn_down.weight' has shape [64, 96], expected [96, 64]");
  b = build_tiny_llama();
  b.tensor("output_norm.weight").shape = {64, 1};
  expect_build_error<BadTensor>(b, "'output_norm.weight' has shape [64, 1], expected [64]");
  b = build_tiny_llama();
  b.remove_tensor("token_embd.weight");
  expect_build_error<BadTensor>(b, "'token_embd.weight' is missing");
  b = build_tiny_llama();
  b.set_u32("llama.block_count", 4000);
  expect_build_error<BadTensor>(b, "cannot make 4000 layers");
  b = build_tiny_llama();
  b.set_u32("llama.vocab_size", 10);
  expect_build_error<BadTensor>(b, "expected llama.vocab_size = 10");
}

TEST(BadModel, norms_must_be_plain_numbers) {
  GgufBuilder b = build_tiny_llama();
  b.tensor("output_norm.weight").type = 8;
  b.tensor("output_norm.weight").bytes = std::string(68, '\0');
  expect_build_error<BadTensor>(b, "'output_norm.weight' has type Q8_0, expected F32, F16 or BF16");
}

TEST(BadModel, tensors_that_would_be_left_out_are_refused) {
  GgufBuilder b = build_tiny_llama();
  b.add_tensor("blk.0.attn_q.bias", {64}, 0, std::string(256, '\0'));
  expect_build_error<UnsupportedModel>(b, "tensor 'blk.0.attn_q.bias' is not part of architecture llama");
  b = build_tiny_llama();
  b.set_u32("llama.expert_count", 8);
  expect_build_error<UnsupportedModel>(b, "mixture of experts");
  b = build_tiny_llama();
  b.set_u32("split.count", 2);
  expect_build_error<BadModelFile>(b, "the first of 2 files of a split model, whose name should end in");
}

TEST(BadModel, nan_and_infinity_are_found_in_norms_values_and_scales) {
  for (const std::string name : {"blk.1.ffn_norm.weight", "token_embd.weight"}) {
    GgufBuilder b = build_tiny_llama();
    b.tensor(name).bytes.replace(40, 4, little_endian(std::numeric_limits<float>::quiet_NaN()));
    expect_build_error<BadModelFile>(b, "tensor '" + name + "' holds NaN or infinity in row 0");
  }
  for (const kernels::ParamType type : {kernels::ParamType::q4_1, kernels::ParamType::q8_0, kernels::ParamType::f16}) {
    TinyLlama tiny;
    tiny.matrix_type = type;
    GgufBuilder b = build_tiny_llama(tiny);
    const std::size_t row = kernels::row_bytes(type, 64);
    b.tensor("blk.1.attn_v.weight").bytes.replace(5 * row, 2, little_endian<std::uint16_t>(0x7c00));
    expect_build_error<BadModelFile>(b, "tensor 'blk.1.attn_v.weight' holds NaN or infinity in row 5");
  }
}

TEST(BadModel, nan_is_not_looked_for_where_that_is_not_asked_for) {
  testing::GgufBuilder builder = testing::build_tiny_llama();
  builder.tensor("blk.0.attn_q.weight").bytes.replace(0, 4, "\xff\xff\xff\x7f");
  const TemporaryFolder folder;
  builder.write(folder / "nan.gguf");
  EXPECT_THROW(Model::load(folder / "nan.gguf"), BadModelFile);
  EXPECT_NO_THROW(Model::load(folder / "nan.gguf", FileMemory::mapped, ParamScan::none));
}

TEST(BadModel, rope_scaling_it_does_not_know_is_refused) {
  GgufBuilder b = build_tiny_llama();
  b.set_string("llama.rope.scaling.type", "longrope");
  expect_build_error<UnsupportedModel>(b, "rope scaling type 'longrope'; known types are none, linear and yarn");
  b = build_tiny_llama();
  b.set_u32("llama.attention.sliding_window", 64);
  expect_build_error<UnsupportedModel>(b, "sliding-window attention over 64 of 512 positions");
  b = build_tiny_llama();
  b.set_f32("llama.rope.scaling.attn_factor", 1.5F);
  expect_build_error<UnsupportedModel>(b, "attention factor");
  b = build_tiny_llama();
  b.add_tensor("rope_freqs.weight", {7}, 0, std::string(28, '\0'));
  expect_build_error<BadTensor>(b, "'rope_freqs.weight' has shape [7], expected [8]");
  b = build_tiny_llama();
  b.add_tensor("rope_freqs.weight", {8}, 0, std::string(32, '\0'));
  expect_build_error<BadModelFile>(b, "divisor");
}

TEST(BadModel, tokenizer_lists_that_disagree_are_refused) {
  GgufBuilder b = build_tiny_llama();
  b.set_strings("tokenizer.ggml.tokens", {"a", "b"});
  expect_build_error<BadModelFile>(b, "2 pieces, but the embedding has");
  b = build_tiny_llama();
  b.set_i32s("tokenizer.ggml.token_type", {1});
  expect_build_error<BadModelFile>(b, "token_type has 1 entries");
  b = build_tiny_llama();
  b.set_u32("tokenizer.ggml.eos_token_id", 100000);
  expect_build_error<BadModelFile>(b, "'tokenizer.ggml.eos_token_id' is 100000");
  b = build_tiny_llama();
  b.set_u32("tokenizer.ggml.merges", 1);
  expect_build_error<BadModelFile>(b, "expected an array of strings, got u32");
}

}  // namespace
}  // namespace kvwave::capture
