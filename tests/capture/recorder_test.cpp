// The recorder alone, fed by hand: what goes in through the tap must come out of the trace.
#include "capture/recorder.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <thread>

#include <gtest/gtest.h>

#include "tests/temporary_folder.h"
#include "traces/reader.h"

namespace kvwave::capture {
namespace {

constexpr std::uint32_t kLayers = 3, kQHeads = 4, kKvHeads = 2, kDim = 8;

traces::TraceInfo small_info(std::uint32_t n_prompt, std::uint32_t window) {
  traces::TraceInfo info;
  info.model_name = "tiny";
  info.architecture = "llama";
  info.model_sha256 = info.tokenizer_sha256 = info.prompt_sha256 = std::string(64, '0');
  info.shape = {kLayers, kQHeads, kKvHeads, kDim};
  info.vocab_size = 10;
  info.rope_theta = 1e4;
  info.rope_layout = "half";
  info.n_prompt = n_prompt;
  info.prompt_window = window;
  info.first_row = n_prompt > window ? n_prompt - window : 0;
  info.compute_dtype = "f32";
  info.device = "cpu";
  info.attention_kernel = "test";
  return info;
}

/// The same row for the same place, whoever asks.
std::vector<float> row_at(std::uint32_t layer, std::uint32_t q_head, std::uint32_t position) {
  std::mt19937 random(layer * 7919 + q_head * 104729 + position);
  std::vector<float> row(position + 1);
  double sum = 0;
  for (float& p : row) sum += p = std::exp(static_cast<float>(random() % 1000) / 150.0F);
  for (float& p : row) p = static_cast<float>(p / sum);
  return row;
}

std::vector<std::byte> bytes_at(std::uint32_t layer, std::uint32_t position, std::uint32_t kind, std::size_t size) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; ++i) {
    // Small exponents only: every 16-bit pattern is a finite f16.
    bytes[i] = static_cast<std::byte>((layer * 31 + position * 17 + kind * 5 + i * 3) % 60);
  }
  return bytes;
}

/// Plays a decoder: feeds positions in blocks, the heads of a layer from `n_workers` threads.
void feed(Recorder& recorder, std::uint32_t first, std::uint32_t count, unsigned n_workers, std::size_t value_bytes) {
  for (std::uint32_t p = first; p < first + count; ++p) {
    recorder.announce(static_cast<std::int32_t>(p), -0.5F * static_cast<float>(p), std::to_string(p));
  }
  recorder.begin_block(first, count);
  for (std::uint32_t layer = 0; layer < kLayers; ++layer) {
    for (std::uint32_t p = first; p < first + count; ++p) {
      if (!recorder.wants_qkv()) break;
      recorder.qkv(layer, p, bytes_at(layer, p, 0, kQHeads * kDim * value_bytes),
                   bytes_at(layer, p, 1, kKvHeads * kDim * value_bytes),
                   bytes_at(layer, p, 2, kKvHeads * kDim * value_bytes));
    }
    std::vector<std::thread> workers;
    for (unsigned worker = 0; worker < n_workers; ++worker) {
      workers.emplace_back([&, worker] {
        for (std::uint32_t task = worker; task < count * kQHeads; task += n_workers) {
          const std::uint32_t q_head = task % kQHeads;
          const std::uint32_t p = first + task / kQHeads;
          if (recorder.wants_row(p)) recorder.attn_row(layer, q_head, p, row_at(layer, q_head, p), worker);
        }
      });
    }
    for (std::thread& worker : workers) worker.join();
  }
  recorder.end_block();
}

class RecorderTest : public ::testing::Test {
 protected:
  std::filesystem::path record(const traces::TraceInfo& info, const std::string& name, unsigned n_workers = 2,
                               std::uint32_t n_positions = 40) {
    const std::filesystem::path path = folder_ / name;
    traces::TraceWriter writer(path, info);
    Recorder recorder(info, writer, n_workers);
    const std::size_t value_bytes = byte_size(info.qkv_dtype);
    for (std::uint32_t first = 0; first < n_positions;) {
      const std::uint32_t wanted = first < info.n_prompt ? info.n_prompt - first : 1;
      const std::uint32_t count = recorder.block_limit(first, wanted);
      feed(recorder, first, count, n_workers, value_bytes);
      first += count;
    }
    writer.finish(traces::StopReason::token_limit);
    return path;
  }
  TemporaryFolder folder_;
};

TEST_F(RecorderTest, stores_what_the_tap_was_shown) {
  const traces::TraceInfo info = small_info(20, 8);
  const traces::TraceReader reader(record(info, "a.h5"));
  ASSERT_EQ(reader.n_positions(), 40U);
  kernels::RowScratch scratch;
  const std::size_t n_rho = info.rho.size();
  for (std::uint32_t p = 12; p < 40; ++p) {
    traces::AttentionRows rows;
    reader.attention(p, rows);
    std::vector<std::uint32_t> demand(kLayers * kQHeads * n_rho);
    reader.demand(p, p + 1, demand);
    std::vector<float> entropy(kLayers * kQHeads);
    reader.row_scalar(traces::RowScalar::entropy, p, p + 1, entropy);
    for (std::uint32_t layer = 0; layer < kLayers; ++layer) {
      for (std::uint32_t q_head = 0; q_head < kQHeads; ++q_head) {
        const std::vector<float> row = row_at(layer, q_head, p);
        const std::size_t at = layer * kQHeads + q_head;
        std::vector<std::uint32_t> expected(n_rho);
        kernels::RowStats stats;
        kernels::row_stats_reference(row, info.rho, traces::kStatSinks, traces::kStatRecent, expected, stats);
        EXPECT_TRUE(
            std::equal(expected.begin(), expected.end(), demand.begin() + static_cast<std::ptrdiff_t>(at * n_rho)));
        EXPECT_NEAR(entropy[at], stats.entropy, 1e-5 * stats.entropy + 1e-7);
        std::vector<std::uint32_t> position;
        std::vector<std::byte> prob;
        const float residual =
            kernels::select_covering_reference(row, info.epsilon, kernels::ProbType::f16, position, prob);
        const traces::AttentionRow stored = rows.row(layer, q_head);
        EXPECT_EQ(std::vector<std::uint32_t>(stored.position.begin(), stored.position.end()), position);
        EXPECT_EQ(stored.residual, residual);
      }
    }
  }
  std::vector<std::int32_t> ids(40);
  reader.token_ids(0, 40, ids);
  EXPECT_EQ(ids[39], 39);
  EXPECT_EQ(reader.token_bytes(7, 8)[0], "7");
}

TEST_F(RecorderTest, keeps_qkv_of_every_position) {
  traces::TraceInfo info = small_info(10, 4);
  info.qkv_dtype = traces::FloatType::f32;
  const traces::TraceReader reader(record(info, "a.h5"));
  std::vector<float> k(kKvHeads * kDim), q(kQHeads * kDim);
  for (const std::uint32_t p : {0U, 5U, 6U, 39U}) {
    for (std::uint32_t layer = 0; layer < kLayers; ++layer) {
      reader.k(layer, p, p + 1, k);
      reader.q(layer, p, p + 1, q);
      EXPECT_EQ(std::memcmp(k.data(), bytes_at(layer, p, 1, k.size() * 4).data(), k.size() * 4), 0);
      EXPECT_EQ(std::memcmp(q.data(), bytes_at(layer, p, 0, q.size() * 4).data(), q.size() * 4), 0);
    }
  }
}

TEST_F(RecorderTest, gives_the_same_content_for_any_number_of_workers) {
  const traces::TraceInfo info = small_info(20, 8);
  const std::string one = traces::TraceReader(record(info, "1.h5", 1)).content_sha256();
  EXPECT_EQ(traces::TraceReader(record(info, "2.h5", 2)).content_sha256(), one);
  EXPECT_EQ(traces::TraceReader(record(info, "5.h5", 5)).content_sha256(), one);
}

TEST_F(RecorderTest, leaves_out_levels_that_are_off) {
  for (const char* levels : {"tokens", "stats", "attention", "qkv", "tokens,qkv"}) {
    traces::TraceInfo info = small_info(12, 4);
    info.levels = traces::Levels::parse(levels);
    const traces::TraceReader reader(record(info, std::string(levels) + ".h5"));
    EXPECT_EQ(reader.n_positions(), 40U) << levels;
    EXPECT_EQ(reader.info().levels, info.levels);
  }
}

TEST_F(RecorderTest, blocks_end_at_the_first_recorded_row_and_stay_small) {
  const traces::TraceInfo info = small_info(1000, 32);
  traces::TraceWriter writer(folder_ / "a.h5", info);
  const Recorder recorder(info, writer, 1);
  EXPECT_EQ(recorder.block_limit(0, 64), 64U);
  EXPECT_EQ(recorder.block_limit(960, 40), 8U);
  EXPECT_EQ(recorder.block_limit(968, 32), 32U);
  EXPECT_EQ(recorder.block_limit(100'000'000, 32), 1U);
  EXPECT_FALSE(recorder.wants_row(967));
  EXPECT_TRUE(recorder.wants_row(968));
}

TEST_F(RecorderTest, counts_entries_that_are_no_probability) {
  traces::TraceInfo info = small_info(1, 1);
  const std::filesystem::path path = folder_ / "nan.h5";
  {
    traces::TraceWriter writer(path, info);
    Recorder recorder(info, writer, 1);
    recorder.announce(1, std::numeric_limits<float>::quiet_NaN(), "x");
    recorder.begin_block(0, 1);
    for (std::uint32_t layer = 0; layer < kLayers; ++layer) {
      recorder.qkv(layer, 0, bytes_at(0, 0, 0, kQHeads * kDim * 2), bytes_at(0, 0, 1, kKvHeads * kDim * 2),
                   bytes_at(0, 0, 2, kKvHeads * kDim * 2));
      for (std::uint32_t q_head = 0; q_head < kQHeads; ++q_head) {
        const bool bad = layer == 1 && q_head == 2;
        recorder.attn_row(layer, q_head, 0, std::vector<float>{bad ? std::nanf("") : 1.0F}, 0);
      }
    }
    recorder.end_block();
    EXPECT_EQ(recorder.nan_count(), 1U);
    writer.finish(traces::StopReason::token_limit);
  }
  const traces::TraceReader reader(path);
  EXPECT_EQ(reader.status().nan_count, 1U);
  traces::AttentionRows rows;
  reader.attention(0, rows);
  EXPECT_TRUE(rows.row(1, 2).position.empty());
  EXPECT_EQ(rows.row(1, 2).residual, 1.0F);
}

}  // namespace
}  // namespace kvwave::capture
