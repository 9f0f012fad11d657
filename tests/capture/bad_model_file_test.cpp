// Files that are no GGUF, or whose own numbers contradict the file. Each is refused with a typed one-line error, and
// nothing is allocated by a number that the file only claims.
#include <fstream>
#include <limits>
#include <random>
#include <sys/stat.h>

#include <gtest/gtest.h>

#include "capture/error.h"
#include "capture/tokenizer.h"
#include "tests/capture/expect_load_error.h"
#include "tests/capture/tiny_llama.h"

namespace kvwave::capture {
namespace {

using testing::build_tiny_llama;
using testing::expect_build_error;
using testing::expect_bytes_error;
using testing::expect_load_error;
using testing::GgufBuilder;
using testing::little_endian;

GgufBuilder small() {
  testing::TinyLlama tiny;
  tiny.n_layers = 1;
  tiny.hidden = 32;
  tiny.ffn = 32;
  tiny.n_q_heads = 2;
  tiny.n_kv_heads = 1;
  tiny.matrix_type = kernels::ParamType::q8_0;
  return build_tiny_llama(tiny);
}

TEST(BadModelFile, paths_that_are_no_file) {
  const TemporaryFolder folder;
  expect_load_error<BadModelFile>(folder / "absent.gguf", "No such file");
  std::filesystem::create_directory(folder / "folder.gguf");
  expect_load_error<BadModelFile>(folder / "folder.gguf", "no config.json in the folder");
  ASSERT_EQ(::mkfifo((folder / "pipe.gguf").c_str(), 0600), 0);
  expect_load_error<BadModelFile>(folder / "pipe.gguf", "not a regular file");
}

TEST(BadModelFile, empty_and_foreign_files) {
  expect_bytes_error<BadModelFile>("", "empty");
  for (const std::string bytes : {"G", "GGU", "GGML\3\0\0\0", "#!/bin/sh\n", "\x89HDF\r\n\x1a\n"}) {
    expect_bytes_error<BadModelFile>(bytes, "not a GGUF file");
  }
  expect_bytes_error<BadModelFile>("GGUF", "truncated");
}

TEST(BadModelFile, other_versions_and_byte_orders) {
  GgufBuilder b = small();
  for (const std::uint32_t version : {0U, 1U, 4U, 0xffffffffU}) {
    b.version = version;
    expect_build_error<UnsupportedModel>(b, "GGUF version " + std::to_string(version));
  }
  b.version = 0x03000000;
  expect_build_error<UnsupportedModel>(b, "big-endian");
  b.version = 2;
  const TemporaryFolder folder;
  b.write(folder / "v2.gguf");
  EXPECT_NO_THROW(Model::load(folder / "v2.gguf"));
}

TEST(BadModelFile, truncated_anywhere) {
  const std::string whole = small().build();
  const TemporaryFolder folder;
  const std::size_t header_end = whole.size() - 100;  // inside the last tensor's data
  std::vector<std::size_t> lengths = {1, 4, 8, 12, 16, 20, 23, 24, 25, header_end, whole.size() - 1};
  for (std::size_t length = 26; length < whole.size(); length += 307) lengths.push_back(length);
  for (const std::size_t length : lengths) {
    std::ofstream(folder / "cut.gguf", std::ios::binary) << whole.substr(0, length);
    EXPECT_THROW(Model::load(folder / "cut.gguf"), BadModelFile) << length << " of " << whole.size() << " bytes";
  }
}

TEST(BadModelFile, counts_that_the_file_cannot_hold) {
  for (const std::uint64_t extra : {std::uint64_t{1} << 20, std::uint64_t{1} << 62, ~std::uint64_t{0} - 1000}) {
    GgufBuilder b = small();
    b.extra_tensors = extra;
    expect_build_error<BadModelFile>(b, "the number of tensors");
    b = small();
    b.extra_keys = extra;
    expect_build_error<BadModelFile>(b, "the number of keys");
  }
}

TEST(BadModelFile, lengths_that_the_file_cannot_hold) {
  for (const std::uint64_t huge : {std::uint64_t{1} << 30, std::uint64_t{1} << 63, ~std::uint64_t{0}}) {
    GgufBuilder b = small();
    b.set_raw("general.name", 8, little_endian(huge));
    expect_build_error<BadModelFile>(b, "general.name");
    for (std::uint32_t element = 0; element <= 12; ++element) {
      b = small();
      b.set_raw("some.array", 9, little_endian(element) + little_endian(huge));
      expect_build_error<BadModelFile>(b, "some.array");
    }
  }
}

TEST(BadModelFile, unknown_value_types_and_nested_arrays) {
  GgufBuilder b = small();
  b.set_raw("x", 13, "");
  expect_build_error<BadModelFile>(b, "value type 13");
  b = small();
  b.set_raw("x", 9, little_endian<std::uint32_t>(9) + little_endian<std::uint64_t>(0));
  expect_build_error<BadModelFile>(b, "array of arrays");
}

TEST(BadModelFile, names_that_appear_twice) {
  GgufBuilder b = small();
  b.values.push_back(b.values.front());
  expect_build_error<BadModelFile>(b, "key 'general.architecture' appears twice");
  b = small();
  b.tensors.push_back(b.tensors.back());
  expect_build_error<BadModelFile>(b, "'blk.0.ffn_down.weight' appears twice");
}

TEST(BadModelFile, impossible_alignments) {
  for (const std::uint32_t alignment : {0U, 3U, 48U, 1U << 30}) {
    GgufBuilder b = small();
    b.set_u32("general.alignment", alignment);
    expect_build_error<BadModelFile>(b, "general.alignment");
  }
  GgufBuilder b = small();
  b.set_u32("general.alignment", 64);  // but the data is aligned to 32
  expect_build_error<BadModelFile>(b, "");
  b.alignment = 64;
  const TemporaryFolder folder;
  b.write(folder / "a64.gguf");
  EXPECT_NO_THROW(Model::load(folder / "a64.gguf"));
}

TEST(BadModelFile, shapes_that_cannot_be) {
  GgufBuilder b = small();
  b.tensor("output_norm.weight").shape = {};
  expect_build_error<BadModelFile>(b, "'output_norm.weight' has 0 dimensions");
  b.tensor("output_norm.weight").shape = {2, 2, 2, 2, 2};
  expect_build_error<BadModelFile>(b, "'output_norm.weight' has 5 dimensions");
  b.tensor("output_norm.weight").shape = {32, 0};
  expect_build_error<BadModelFile>(b, "size 0");
  b.tensor("output_norm.weight").shape = {std::uint64_t{1} << 40, std::uint64_t{1} << 40, 2};
  expect_build_error<BadModelFile>(b, "impossible size");
  b.tensor("output_norm.weight").shape = {std::numeric_limits<std::uint64_t>::max()};
  expect_build_error<BadModelFile>(b, "impossible size");
}

TEST(BadModelFile, rows_that_are_no_whole_blocks) {
  GgufBuilder b = small();
  b.tensor("blk.0.attn_q.weight").shape = {33, 32};
  expect_build_error<BadModelFile>(b, "rows of 33 values, but type Q8_0 comes in blocks of 32");
  b.tensor("blk.0.attn_q.weight").shape = {32, 32};
  b.tensor("blk.0.attn_q.weight").type = 12;
  expect_build_error<BadModelFile>(b, "rows of 32 values, but type Q4_K comes in blocks of 256");
}

TEST(BadModelFile, types_that_kvwave_does_not_know) {
  GgufBuilder b = small();
  b.tensor("blk.0.attn_q.weight").type = 16;
  expect_build_error<UnsupportedModel>(b,
                                       "tensor 'blk.0.attn_q.weight' has type IQ2_XXS (16); known types are F32, F16");
  for (const auto& [type, name] : {std::pair{17U, "IQ2_XS"},
                                   {18U, "IQ3_XXS"},
                                   {19U, "IQ1_S"},
                                   {21U, "IQ3_S"},
                                   {22U, "IQ2_S"},
                                   {23U, "IQ4_XS"},
                                   {29U, "IQ1_M"},
                                   {34U, "TQ1_0"},
                                   {35U, "TQ2_0"},
                                   {40U, "NVFP4"},
                                   {41U, "Q1_0"},
                                   {28U, "F64"}}) {
    b.tensor("blk.0.attn_q.weight").type = type;
    expect_build_error<UnsupportedModel>(b, std::string("has type ") + name);
  }
  b.tensor("blk.0.attn_q.weight").type = 999;
  expect_build_error<UnsupportedModel>(b, "has type 999");
}

TEST(BadModelFile, tensors_outside_the_file_or_over_each_other) {
  for (const std::int64_t offset :
       {std::int64_t{1} << 20, std::int64_t{1} << 61, std::numeric_limits<std::int64_t>::max() - 31}) {
    GgufBuilder b = small();
    b.tensor("output_norm.weight").offset = offset;
    expect_build_error<BadModelFile>(b, "'output_norm.weight' needs 128 bytes");
  }
  GgufBuilder b = small();
  b.tensor("output_norm.weight").offset = 32;
  expect_build_error<BadModelFile>(b, "overlap");
  b.tensor("output_norm.weight").offset = 33;
  expect_build_error<BadModelFile>(b, "alignment");
}

TEST(BadModelFile, control_characters_in_names_stay_out_of_the_message) {
  GgufBuilder b = small();
  b.add_tensor("evil\n\x1b[31m", {1}, 77, "");
  expect_build_error<UnsupportedModel>(b, "evil\\x0a\\x1b[31m");
}

TEST(BadModelFile, random_damage_is_refused_or_harmless) {
  const std::string whole = small().build();
  const TemporaryFolder folder;
  constexpr unsigned kSeed = 11;
  SCOPED_TRACE(::testing::Message() << "seed " << kSeed);
  std::mt19937 random(kSeed);
  int refused = 0;
  for (int i = 0; i < 200; ++i) {
    std::string damaged = whole;
    const std::size_t reach = i % 2 == 0 ? 2000 : whole.size();  // the first bytes hold the counts and keys
    for (unsigned n = 0; n < 1 + random() % 4; ++n) damaged[random() % reach] = static_cast<char>(random());
    std::ofstream(folder / "damaged.gguf", std::ios::binary) << damaged;
    try {
      const Model model = Model::load(folder / "damaged.gguf");
      Tokenizer(model.tokenizer_data()).encode("the and 12\n", true, true);
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 20);
}

}  // namespace
}  // namespace kvwave::capture
