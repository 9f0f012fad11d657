#include "capture/decoder.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "capture/error.h"
#include "kernels/half.h"
#include "tests/capture/recording_tap.h"
#include "tests/capture/reference_decoder.h"
#include "tests/capture/tiny_llama.h"
#include "tests/kernels/simd_paths.h"
#include "tests/temporary_folder.h"

namespace kvwave::capture {
namespace {

using kernels::ParamType;
using kernels::ThreadPool;
using kernels::testing::for_each_simd_path;
using testing::RecordingTap;
using testing::ReferenceDecoder;
using testing::TinyLlama;

Model load_tiny(const TinyLlama& options) {
  const TemporaryFolder folder;
  testing::write_tiny_llama(folder / "tiny.gguf", options);
  return Model::load(folder / "tiny.gguf");
}

std::vector<std::int32_t> some_tokens(std::size_t n) {
  std::vector<std::int32_t> tokens(n);
  for (std::size_t i = 0; i < n; ++i) tokens[i] = static_cast<std::int32_t>((i * i * 31 + i * 7 + 5) % 260);
  return tokens;
}

// Everything a run shows, logits as bytes too.
struct Decoded {
  std::vector<float> logits;
  RecordingTap tap;
};

void decode(const Model& model, CacheType cache, unsigned n_threads, std::span<const std::int32_t> tokens,
            std::size_t tokens_per_call, Decoded& run) {
  ThreadPool pool(n_threads);
  Decoder decoder(model, {cache, 0}, pool);
  for (std::size_t i = 0; i < tokens.size(); i += tokens_per_call) {
    const auto logits = decoder.feed(tokens.subspan(i, std::min(tokens_per_call, tokens.size() - i)), &run.tap);
    run.logits.assign(logits.begin(), logits.end());
  }
  EXPECT_EQ(run.tap.mistakes, "");
}

void expect_same_bytes(const Decoded& a, const Decoded& b, const std::string& what) {
  ASSERT_EQ(a.logits.size(), b.logits.size());
  EXPECT_EQ(std::memcmp(a.logits.data(), b.logits.data(), a.logits.size() * sizeof(float)), 0) << "logits: " << what;
  EXPECT_EQ(a.tap.rows, b.tap.rows) << "attention rows: " << what;
  EXPECT_EQ(a.tap.qkvs, b.tap.qkvs) << "q, k, v: " << what;
}

// Rounding errors of fp32 sums, amplified by softmax; logits of the tiny models are of the order of 30.
constexpr double kLogitBound = 1e-3;
constexpr double kRowBound = 1e-4;

void expect_agrees_with_reference(const Model& model, CacheType cache, double logit_bound, double row_bound) {
  const auto tokens = some_tokens(16);
  ReferenceDecoder reference(model, cache == CacheType::f16);
  std::vector<double> expected;
  for (const std::int32_t token : tokens) expected = reference.feed(token);
  for_each_simd_path([&] {
    Decoded run;
    decode(model, cache, 2, tokens, 7, run);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      ASSERT_NEAR(run.logits[i], expected[i], logit_bound) << "logit " << i;
    }
    ASSERT_EQ(run.tap.rows.size(), tokens.size() * model.config().n_layers * model.config().n_q_heads);
    for (const auto& [at, row] : run.tap.rows) {
      const auto [layer, q_head, position] = at;
      const std::vector<double>& want = reference.row(layer, q_head, position);
      double sum = 0;
      for (std::size_t i = 0; i < row.size(); ++i) {
        sum += static_cast<double>(row[i]);
        ASSERT_NEAR(row[i], want[i], row_bound)
            << "attn_prob " << i << " of layer " << layer << ", q_head " << q_head << ", position " << position;
      }
      ASSERT_NEAR(sum, 1.0, 1e-6) << "layer " << layer << ", q_head " << q_head << ", position " << position;
    }
  });
}

TEST(Decoder, agrees_with_an_fp64_forward_pass_for_every_parameter_type) {
  for (const ParamType type :
       {ParamType::f32, ParamType::f16, ParamType::bf16, ParamType::q4_0, ParamType::q4_1, ParamType::q5_0,
        ParamType::q5_1, ParamType::q8_0, ParamType::q4_k, ParamType::q5_k, ParamType::q6_k, ParamType::q2_k,
        ParamType::q3_k, ParamType::iq4_nl, ParamType::mxfp4}) {
    SCOPED_TRACE(kernels::to_string(type));
    TinyLlama options{.n_layers = 1, .hidden = 256, .ffn = 256, .n_q_heads = 4, .n_kv_heads = 2, .head_dim = 64};
    options.matrix_type = type;
    options.embedding_type = type == ParamType::q4_1 ? ParamType::q8_0 : type;
    options.tied_output = type != ParamType::q8_0;
    expect_agrees_with_reference(load_tiny(options), CacheType::f32, kLogitBound, kRowBound);
  }
}

TEST(Decoder, agrees_with_an_fp64_forward_pass_for_every_group_size_and_head_length) {
  for (const std::uint32_t group : {1u, 2u, 3u, 4u}) {
    for (const std::uint32_t head_dim : {16u, 64u, 80u, 96u, 128u}) {
      SCOPED_TRACE("group " + std::to_string(group) + ", head_dim " + std::to_string(head_dim));
      TinyLlama options{.n_layers = 1, .hidden = 32, .ffn = 40, .n_q_heads = 2 * group, .n_kv_heads = 2};
      options.head_dim = head_dim;
      options.seed = 10 * group + head_dim;
      expect_agrees_with_reference(load_tiny(options), CacheType::f32, kLogitBound, kRowBound);
    }
  }
}

TEST(Decoder, a_half_cache_agrees_with_a_reference_that_rounds_q_k_and_v) {
  // Where fp32 and fp64 round q, k or v to different halves, a value moves by 2^-11 of itself.
  const TinyLlama options{.hidden = 64, .ffn = 64, .n_q_heads = 6, .n_kv_heads = 2, .head_dim = 64};
  expect_agrees_with_reference(load_tiny(options), CacheType::f16, 2e-2, 3e-3);
}

TEST(Decoder, gives_the_same_bytes_for_any_number_of_threads) {
  const Model model = load_tiny({.hidden = 96,
                                 .ffn = 160,
                                 .n_q_heads = 9,
                                 .n_kv_heads = 3,
                                 .head_dim = 32,
                                 .matrix_type = ParamType::q4_1,
                                 .embedding_type = ParamType::q8_0});
  const auto tokens = some_tokens(70);
  for (const std::size_t per_call : {1u, 70u}) {
    Decoded one;
    decode(model, CacheType::f16, 1, tokens, per_call, one);
    for (const unsigned n_threads : {2u, 3u, 4u}) {
      Decoded many;
      decode(model, CacheType::f16, n_threads, tokens, per_call, many);
      EXPECT_LT(many.tap.max_worker, n_threads);
      expect_same_bytes(one, many, std::to_string(n_threads) + " threads");
    }
  }
}

TEST(Decoder, prefill_in_blocks_gives_the_bytes_of_single_steps) {
  const auto tokens = some_tokens(230);  // more than a block
  for (const ParamType type : {ParamType::f32, ParamType::q4_1, ParamType::q8_0}) {
    const Model model = load_tiny({.hidden = 64,
                                   .ffn = 96,
                                   .n_q_heads = 6,
                                   .n_kv_heads = 2,
                                   .head_dim = 48,
                                   .matrix_type = type,
                                   .embedding_type = type});
    for_each_simd_path([&] {
      Decoded steps;
      decode(model, CacheType::f16, 2, tokens, 1, steps);
      for (const std::size_t per_call : {33u, 230u}) {
        Decoded blocks;
        decode(model, CacheType::f16, 2, tokens, per_call, blocks);
        expect_same_bytes(steps, blocks, std::to_string(per_call) + " tokens per call");
      }
    });
  }
}

TEST(Decoder, blocks_are_no_longer_than_max_block) {
  const Model model = load_tiny({});
  Decoded run;
  decode(model, CacheType::f32, 1, some_tokens(400), 400, run);
  ThreadPool pool(1);
  const std::uint32_t max_block = Decoder(model, {}, pool).max_block();
  std::uint32_t next = 0;
  for (const auto& [first, count] : run.tap.blocks) {
    EXPECT_EQ(first, next);
    EXPECT_LE(count, max_block);
    next = first + count;
  }
  EXPECT_EQ(next, 400u);
}

TEST(Decoder, calls_attn_row_only_where_the_tap_wants_it) {
  const Model model = load_tiny({});
  ThreadPool pool(2);
  Decoder decoder(model, {}, pool);
  RecordingTap tap(30);
  decoder.feed(some_tokens(40), &tap);
  EXPECT_EQ(tap.mistakes, "");
  EXPECT_EQ(tap.rows.size(), std::size_t{10} * model.config().n_layers * model.config().n_q_heads);
  EXPECT_EQ(tap.qkvs.size(), std::size_t{40} * model.config().n_layers);
}

TEST(Decoder, rows_follow_from_the_q_and_k_that_the_tap_saw) {
  const Model model = load_tiny({.hidden = 64, .ffn = 96, .n_q_heads = 6, .n_kv_heads = 2, .head_dim = 64});
  const std::uint32_t d = 64, group = 3;
  const auto tokens = some_tokens(50);
  Decoded run;
  decode(model, CacheType::f16, 2, tokens, 20, run);
  const auto value = [](const std::vector<std::byte>& bytes, std::size_t index) {
    std::uint16_t half = 0;
    std::memcpy(&half, bytes.data() + 2 * index, 2);
    return static_cast<double>(kernels::f16_to_f32(half));
  };
  for (const auto& [at, row] : run.tap.rows) {
    const auto [layer, q_head, position] = at;
    const auto& q = run.tap.qkvs.at({layer, position}).q;
    std::vector<double> want(position + 1);
    double sum = 0;
    for (std::uint32_t i = 0; i <= position; ++i) {
      const auto& k = run.tap.qkvs.at({layer, i}).k;
      for (std::uint32_t j = 0; j < d; ++j) want[i] += value(q, q_head * d + j) * value(k, q_head / group * d + j);
      sum += want[i] = std::exp(want[i] / 8);
    }
    for (std::uint32_t i = 0; i <= position; ++i) {
      ASSERT_NEAR(row[i], want[i] / sum, 2e-6)
          << "layer " << layer << ", q_head " << q_head << ", position " << position;
    }
  }
}

TEST(Decoder, reset_forgets_the_sequence) {
  const Model model = load_tiny({});
  ThreadPool pool(1);
  Decoder decoder(model, {}, pool);
  const auto tokens = some_tokens(20);
  const auto logits = decoder.feed(tokens, nullptr);
  const std::vector<float> first(logits.begin(), logits.end());
  decoder.feed(some_tokens(50), nullptr);
  EXPECT_EQ(decoder.n_positions(), 70u);
  decoder.reset();
  EXPECT_EQ(decoder.n_positions(), 0u);
  const auto again = decoder.feed(tokens, nullptr);
  EXPECT_TRUE(std::equal(first.begin(), first.end(), again.begin()));
}

// The message of the error of type E that `action` throws.
template <class E, class Action>
std::string error_of(const Action& action) {
  try {
    action();
  } catch (const E& error) {
    return error.what();
  }
  return "no error";
}

TEST(Decoder, refuses_more_positions_than_the_context_or_the_cache_holds) {
  const Model model = load_tiny({.context_length = 64});
  ThreadPool pool(1);
  EXPECT_EQ(error_of<ContextTooLong>([&] {
              Decoder(model, {CacheType::f16, 65}, pool);
            }),
            "65 positions do not fit the model's context length of 64");
  Decoder decoder(model, {CacheType::f16, 48}, pool);
  EXPECT_EQ(decoder.cache_bytes(), 64u * 2 * 2 * 2 * 16 * 2);
  decoder.feed(some_tokens(40), nullptr);
  EXPECT_EQ(error_of<ContextTooLong>([&] { decoder.feed(some_tokens(9), nullptr); }),
            "9 tokens after the 40 already there do not fit a KV cache of 48 positions");
  EXPECT_EQ(decoder.n_positions(), 40u);
  decoder.feed(some_tokens(8), nullptr);
}

TEST(Decoder, refuses_tokens_outside_the_vocabulary) {
  const Model model = load_tiny({});
  ThreadPool pool(1);
  Decoder decoder(model, {}, pool);
  const auto n_vocab = static_cast<std::int32_t>(model.config().vocab_size);
  for (const std::int32_t id : {-1, n_vocab}) {
    const std::vector<std::int32_t> tokens = {5, id};
    EXPECT_EQ(
        error_of<Error>([&] { decoder.feed(tokens, nullptr); }),
        "token id " + std::to_string(id) + " is outside the vocabulary of " + std::to_string(n_vocab) + " tokens");
  }
  EXPECT_EQ(error_of<Error>([&] { decoder.feed({}, nullptr); }), "the decoder was given no token");
  EXPECT_EQ(decoder.n_positions(), 0u);
}

// A tiny model one of whose fp32 tensors is multiplied by `factor`.
Model load_scaled(const std::string& tensor, float factor) {
  const TemporaryFolder folder;
  testing::GgufBuilder builder = testing::build_tiny_llama();
  std::string& bytes = builder.tensor(tensor).bytes;
  for (std::size_t i = 0; i < bytes.size(); i += 4) {
    float value;
    std::memcpy(&value, bytes.data() + i, 4);
    value *= factor;
    std::memcpy(bytes.data() + i, &value, 4);
  }
  builder.write(folder / "tiny.gguf");
  return Model::load(folder / "tiny.gguf");
}

TEST(Decoder, names_position_and_layer_where_numbers_stop_being_finite) {
  const auto failure = [](const Model& model, CacheType cache) {
    ThreadPool pool(1);
    Decoder decoder(model, {cache, 0}, pool);
    return error_of<NumericFailure>([&] {
      for (const std::int32_t token : some_tokens(3)) decoder.feed({&token, 1}, nullptr);
    });
  };
  EXPECT_EQ(failure(load_scaled("blk.0.ffn_up.weight", 1e38F), CacheType::f32),
            "position 0: the hidden state of layer 1 is not finite");
  // Keys beyond the largest half.
  EXPECT_EQ(failure(load_scaled("blk.1.attn_k.weight", 1e7F), CacheType::f16),
            "position 0: the hidden state of layer 1 is not finite");
  EXPECT_EQ(failure(load_scaled("blk.1.attn_k.weight", 1e7F), CacheType::f32), "no error");
  EXPECT_EQ(failure(load_scaled("blk.1.ffn_up.weight", 1e38F), CacheType::f32).substr(0, 29),
            "position 0: the logit of toke");
}

}  // namespace
}  // namespace kvwave::capture
