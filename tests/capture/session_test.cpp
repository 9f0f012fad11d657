// A tiny model from prompt to trace.
#include "capture/session.h"

#include <cmath>
#include <csignal>
#include <cstring>
#include <map>
#include <string>
#include <tuple>

#include <gtest/gtest.h>

#include "capture/disk_check.h"
#include "capture/error.h"
#include "capture/prompt_text.h"
#include "capture/trace_description.h"
#include "kernels/row_stats.h"
#include "tests/capture/tiny_llama.h"
#include "tests/temporary_folder.h"
#include "traces/command_line.h"
#include "traces/reader.h"

namespace kvwave::capture {
namespace {

/// Keeps everything the decoder shows.
class Witness final : public AttentionTap {
 public:
  void begin_block(std::uint32_t, std::uint32_t) override {}
  bool wants_row(std::uint32_t) const override { return true; }
  void attn_row(std::uint32_t layer, std::uint32_t q_head, std::uint32_t position, std::span<const float> attn_prob,
                unsigned) override {
    rows[{layer, q_head, position}].assign(attn_prob.begin(), attn_prob.end());
  }
  bool wants_qkv() const override { return true; }
  void qkv(std::uint32_t layer, std::uint32_t position, std::span<const std::byte> q, std::span<const std::byte>,
           std::span<const std::byte>) override {
    queries[{layer, position}].assign(q.begin(), q.end());
  }
  void end_block() override {}

  std::map<std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>, std::vector<float>> rows;
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::vector<std::byte>> queries;
};

/// Greedy, never choosing an end token.
DecodeOptions greedy(std::uint32_t max_tokens) {
  DecodeOptions options;
  options.max_tokens = max_tokens;
  options.ignore_eos = true;
  return options;
}

class SessionTest : public ::testing::Test {
 protected:
  SessionTest() {
    testing::write_tiny_llama(folder_ / "tiny.gguf");
    model_ = std::make_unique<Model>(Model::load(folder_ / "tiny.gguf"));
    tokenizer_ = std::make_unique<Tokenizer>(model_->tokenizer_data());
  }

  PromptTokens prompt(const std::string& text = "Hello and the rest of it, is there more?") const {
    PromptForm raw;
    raw.raw = true;
    return {encode_prompt(*tokenizer_, model_->tokenizer_data(), {{ChatMessage{"user", text}}}, raw), std::nullopt};
  }

  struct Recording {
    std::filesystem::path path;
    RunResult result;
    std::string text;
  };
  Recording record(const PromptTokens& tokens, const DecodeOptions& decode, const RecordOptions& record_options = {},
                   unsigned threads = 1) {
    kernels::ThreadPool pool(threads);
    Session session(*model_, *tokenizer_, pool, decode);
    const RunPlan plan = plan_run(tokens, decode, model_->config().context_length);
    RunIdentity identity{"kvwave capture", std::string(64, 'a'), std::string(64, 'b'),
                         session.decoder().attention_kernel(), "raw"};
    const traces::TraceInfo info = describe_trace(*model_, tokens, decode, record_options, identity);
    Recording recording;
    recording.path = folder_ / (std::to_string(n_recordings_++) + ".h5");
    traces::TraceWriter writer(recording.path, info);
    RunEvents events;
    events.text = [&](std::string_view bytes) { recording.text += bytes; };
    recording.result = session.run(tokens, plan, events, &info, &writer);
    return recording;
  }

  TemporaryFolder folder_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<Tokenizer> tokenizer_;
  int n_recordings_ = 0;
};

TEST_F(SessionTest, trace_rows_are_the_rows_that_the_decoder_shows) {
  DecodeOptions decode = greedy(12);
  decode.cache_type = CacheType::f32;
  RecordOptions exact;
  exact.epsilon = 0;
  exact.attention_dtype = traces::FloatType::f32;
  const PromptTokens tokens = prompt();
  const Recording recording = record(tokens, decode, exact, 2);
  const traces::TraceReader reader(recording.path);
  ASSERT_EQ(reader.n_positions(), tokens.ids.size() + 12);

  // A second decoder is fed what the trace says was fed.
  std::vector<std::int32_t> ids(reader.n_positions());
  reader.token_ids(0, reader.n_positions(), ids);
  EXPECT_TRUE(std::equal(tokens.ids.begin(), tokens.ids.end(), ids.begin()));
  kernels::ThreadPool pool(1);
  Decoder decoder(*model_, {CacheType::f32, 512}, pool);
  Witness witness;
  decoder.feed(std::span(ids).first(tokens.ids.size()), &witness);
  for (std::size_t i = tokens.ids.size(); i < ids.size(); ++i) decoder.feed({&ids[i], 1}, &witness);

  const traces::ModelShape& shape = reader.shape();
  const std::size_t n_rho = reader.info().rho.size();
  for (std::uint32_t p = reader.info().first_row; p < reader.n_positions(); ++p) {
    traces::AttentionRows rows;
    reader.attention(p, rows);
    std::vector<std::uint32_t> demand(shape.n_layers * shape.n_q_heads * n_rho);
    reader.demand(p, p + 1, demand);
    for (std::uint32_t layer = 0; layer < shape.n_layers; ++layer) {
      for (std::uint32_t q_head = 0; q_head < shape.n_q_heads; ++q_head) {
        const traces::AttentionRow stored = rows.row(layer, q_head);
        const std::vector<float>& shown = witness.rows.at({layer, q_head, p});
        // Prefill in other blocks may sum in another order, so equality is up to rounding there and exact in decoding.
        ASSERT_EQ(stored.prob.size(), shown.size());
        for (std::size_t i = 0; i < shown.size(); ++i) ASSERT_NEAR(stored.prob[i], shown[i], 1e-5);
        double sum = 0;
        for (const float value : stored.prob) sum += static_cast<double>(value);
        EXPECT_NEAR(sum + static_cast<double>(stored.residual), 1.0, 1e-5);
        std::vector<std::uint32_t> expected(n_rho);
        kernels::RowStats stats;
        kernels::row_stats_reference(stored.prob, reader.info().rho, traces::kStatSinks, traces::kStatRecent, expected,
                                     stats);
        const auto at = static_cast<std::ptrdiff_t>((layer * shape.n_q_heads + q_head) * n_rho);
        EXPECT_TRUE(std::equal(expected.begin(), expected.end(), demand.begin() + at)) << p;
      }
      std::vector<float> q(shape.n_q_heads * shape.head_dim);
      reader.q(layer, p, p + 1, q);
      std::vector<float> seen(q.size());
      std::memcpy(seen.data(), witness.queries.at({layer, p}).data(), seen.size() * sizeof(float));
      for (std::size_t i = 0; i < q.size(); ++i) ASSERT_NEAR(q[i], seen[i], 1e-4);
    }
  }
}

TEST_F(SessionTest, every_generated_token_is_fed_back_and_recorded) {
  const PromptTokens tokens = prompt();
  const Recording recording = record(tokens, greedy(7));
  EXPECT_EQ(recording.result.n_tokens, 7U);
  EXPECT_EQ(recording.result.stop_reason, traces::StopReason::token_limit);
  const traces::TraceReader reader(recording.path);
  EXPECT_EQ(reader.n_steps(), 7U);
  EXPECT_TRUE(reader.status().complete);
  EXPECT_EQ(reader.status().stop_reason, traces::StopReason::token_limit);
  const auto pieces = reader.token_bytes(reader.info().n_prompt, reader.n_positions());
  std::string text;
  for (const std::string& piece : pieces) text += piece;
  EXPECT_EQ(text, recording.text);
  std::vector<float> logprob(reader.n_positions());
  reader.token_logprobs(0, reader.n_positions(), logprob);
  EXPECT_TRUE(std::isnan(logprob[0]));
  for (std::size_t i = tokens.ids.size(); i < logprob.size(); ++i) EXPECT_LE(logprob[i], 0.0F);
}

TEST_F(SessionTest, same_seed_gives_the_same_content_hash_for_any_number_of_threads) {
  const DecodeOptions decode{
      .max_tokens = 30, .sampling = {.temperature = 0.8, .top_p = 0.95, .seed = 11}, .ignore_eos = true};
  const auto hash = [&](const DecodeOptions& options, unsigned threads) {
    return traces::TraceReader(record(prompt(), options, {}, threads).path).content_sha256();
  };
  const std::string one = hash(decode, 1);
  EXPECT_EQ(hash(decode, 1), one);
  EXPECT_EQ(hash(decode, 2), one);
  EXPECT_EQ(hash(decode, 3), one);
  DecodeOptions other = decode;
  other.sampling.seed = 12;
  EXPECT_NE(hash(other, 1), one);
}

TEST_F(SessionTest, a_session_runs_several_prompts_as_if_each_were_the_first) {
  const DecodeOptions decode = greedy(5);
  kernels::ThreadPool pool(1);
  Session session(*model_, *tokenizer_, pool, decode);
  const auto text_of = [&](const PromptTokens& tokens) {
    std::string text;
    RunEvents events;
    events.text = [&](std::string_view bytes) { text += bytes; };
    session.run(tokens, plan_run(tokens, decode, 512), events);
    return text;
  };
  const std::string first = text_of(prompt("one"));
  text_of(prompt("a longer prompt in between"));
  EXPECT_EQ(text_of(prompt("one")), first);
}

TEST_F(SessionTest, continuation_is_fed_as_it_is) {
  PromptTokens tokens = prompt();
  tokens.continuation = encode_continuation(*tokenizer_, "and here is the answer.");
  const Recording all = record(tokens, {});
  EXPECT_EQ(all.text, "and here is the answer.");
  EXPECT_EQ(all.result.stop_reason, traces::StopReason::continuation);
  EXPECT_EQ(all.result.n_tokens, tokens.continuation->size());
  const Recording some = record(tokens, greedy(3));
  EXPECT_EQ(some.result.stop_reason, traces::StopReason::token_limit);
  EXPECT_EQ(some.result.n_tokens, 3U);
}

TEST_F(SessionTest, an_end_token_ends_the_run_after_it_was_recorded) {
  PromptTokens tokens = prompt();
  // Sampling a flat distribution of a random model meets an end token soon.
  DecodeOptions decode{.max_tokens = 400, .sampling = {.temperature = 50.0, .top_p = 1.0, .seed = 2}};
  const Recording recording = record(tokens, decode, {.levels = traces::Levels::parse("tokens")});
  ASSERT_EQ(recording.result.stop_reason, traces::StopReason::end_token);
  const traces::TraceReader reader(recording.path);
  std::vector<std::int32_t> last(1);
  reader.token_ids(reader.n_positions() - 1, reader.n_positions(), last);
  EXPECT_TRUE(tokenizer_->is_end(last[0]));
  EXPECT_EQ(reader.n_steps(), recording.result.n_tokens);

  decode.ignore_eos = true;
  const Recording longer = record(tokens, decode, {.levels = traces::Levels::parse("tokens")});
  EXPECT_EQ(longer.result.n_tokens, 400U);
}

TEST_F(SessionTest, interrupt_finishes_the_trace_so_far) {
  const traces::InterruptGuard guard;
  const PromptTokens tokens = prompt();
  const DecodeOptions decode = greedy(200);
  kernels::ThreadPool pool(1);
  Session session(*model_, *tokenizer_, pool, decode);
  const traces::TraceInfo info = describe_trace(
      *model_, tokens, decode, {}, {"kvwave", std::string(64, 'a'), std::string(64, 'b'), "cpu-baseline", "raw"});
  traces::TraceWriter writer(folder_ / "i.h5", info);
  RunEvents events;
  events.progress = [](std::uint32_t n, double) {
    if (n == 9) std::raise(SIGINT);
  };
  const RunResult result = session.run(tokens, plan_run(tokens, decode, 512), events, &info, &writer);
  EXPECT_EQ(result.stop_reason, traces::StopReason::interrupted);
  const traces::TraceReader reader(folder_ / "i.h5");
  EXPECT_TRUE(reader.status().complete);
  EXPECT_EQ(reader.status().stop_reason, traces::StopReason::interrupted);
  EXPECT_EQ(reader.n_steps(), 9U);
}

TEST_F(SessionTest, numbers_that_overflow_end_the_run_as_failed) {
  testing::GgufBuilder builder = testing::build_tiny_llama();
  std::string huge;
  for (int i = 0; i < 64; ++i) huge += testing::little_endian(3e38F);
  builder.tensor("output_norm.weight").bytes = huge;
  builder.write(folder_ / "huge.gguf");
  *model_ = Model::load(folder_ / "huge.gguf");
  EXPECT_THROW(record(prompt(), greedy(5)), NumericFailure);
  const traces::TraceReader reader(folder_ / "0.h5");
  EXPECT_EQ(reader.status().stop_reason, traces::StopReason::failed);
  EXPECT_GT(reader.n_positions(), 0U);
}

TEST_F(SessionTest, long_prompts_record_their_last_rows_only) {
  const PromptTokens tokens = prompt(std::string(150, 'x') + " and the rest is here");
  ASSERT_GT(tokens.ids.size(), 100U);
  RecordOptions options;
  options.prompt_window = 10;
  const Recording recording = record(tokens, greedy(4), options);
  const traces::TraceReader reader(recording.path);
  EXPECT_EQ(reader.info().first_row, tokens.ids.size() - 10);
  traces::AttentionRows rows;
  reader.attention(reader.info().first_row - 1, rows);
  EXPECT_TRUE(rows.row(0, 0).position.empty());
  EXPECT_EQ(rows.row(0, 0).residual, 1.0F);
  reader.attention(reader.info().first_row, rows);
  EXPECT_FALSE(rows.row(0, 0).position.empty());
  std::vector<float> k(reader.shape().n_kv_heads * reader.shape().head_dim);
  reader.k(1, 0, 1, k);
  EXPECT_NE(k, std::vector<float>(k.size(), 0.0F));
}

TEST(PlanRun, says_both_numbers_when_the_context_is_too_short) {
  PromptTokens tokens{std::vector<std::int32_t>(100, 1), std::nullopt};
  try {
    plan_run(tokens, greedy(50), 128);
    FAIL() << "no error";
  } catch (const ContextTooLong& error) {
    const std::string what = error.what();
    for (const char* number : {"100", "50", "150", "128"}) EXPECT_NE(what.find(number), std::string::npos) << what;
  }
  EXPECT_NO_THROW(plan_run(tokens, greedy(28), 128));
  EXPECT_THROW(plan_run({std::vector<std::int32_t>(200, 1), std::nullopt}, {}, 128), ContextTooLong);
}

TEST(PlanRun, takes_what_fits_when_no_number_was_asked_for) {
  const RunPlan plan = plan_run({std::vector<std::int32_t>(100, 1), std::nullopt}, {}, 128);
  EXPECT_EQ(plan.max_tokens, 28U);
  EXPECT_EQ(plan.limit, traces::StopReason::context_full);
  EXPECT_EQ(plan_run({std::vector<std::int32_t>(100, 1), std::nullopt}, {}, 8192).max_tokens, kDefaultTokens);
}

TEST(PlanRun, refuses_what_holds_no_token) {
  EXPECT_THROW(plan_run({{}, std::nullopt}, {}, 128), BadPrompt);
  EXPECT_THROW(plan_run({{1}, std::vector<std::int32_t>{}}, {}, 128), BadPrompt);
}

TEST(DiskCheck, says_what_it_takes_and_refuses_what_does_not_fit) {
  traces::TraceInfo info;
  info.shape = {32, 32, 8, 128};
  info.n_prompt = 100;
  info.first_row = 68;
  const DiskCheck fits = check_disk(info, 16000, std::uint64_t{4} << 40);
  EXPECT_TRUE(fits.fits);
  EXPECT_NE(fits.message.find("--levels stats,qkv,tokens would take"), std::string::npos) << fits.message;
  EXPECT_NE(fits.message.find("attention "), std::string::npos);
  const DiskCheck full = check_disk(info, 16000, 1'000'000);
  EXPECT_FALSE(full.fits);
  EXPECT_NE(full.message.find("1.00 MB free"), std::string::npos) << full.message;
  EXPECT_EQ(check_disk(info, 10, std::uint64_t{4} << 40).message.find("would take"), std::string::npos);
}

}  // namespace
}  // namespace kvwave::capture
