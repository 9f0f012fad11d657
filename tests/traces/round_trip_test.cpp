// What goes into a TraceWriter comes out of a TraceReader, for every combination of levels and storage types.
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <random>
#include <thread>

#include <gtest/gtest.h>

#include "tests/file_bytes.h"
#include "tests/temporary_folder.h"
#include "tests/traces/trace_builder.h"
#include "traces/error.h"

namespace kvwave::traces::testing {
namespace {

Levels levels_of(unsigned bits) {
  return {(bits & 1U) != 0, (bits & 2U) != 0, (bits & 4U) != 0, (bits & 8U) != 0};
}

TEST(TraceRoundTrip, keeps_every_value_for_every_combination_of_levels) {
  const TemporaryFolder folder;
  for (unsigned bits = 1; bits < 16; ++bits) {
    MadeUp options;
    options.levels = levels_of(bits);
    options.qkv_dtype = bits % 2 == 0 ? FloatType::f16 : FloatType::f32;
    options.attention_dtype = bits % 3 == 0 ? FloatType::f32 : FloatType::f16;
    options.seed = bits;
    const auto path = folder / ("levels" + std::to_string(bits) + ".h5");
    write_trace(path, options);
    const TraceReader reader(path);
    EXPECT_EQ(reader.info().levels, options.levels);
    EXPECT_EQ(reader.n_positions(), options.n_positions);
    EXPECT_EQ(reader.n_steps(), options.n_positions - options.n_prompt);
    EXPECT_EQ(difference(reader, options, 0, options.n_positions), "");
  }
}

TEST(TraceRoundTrip, keeps_every_value_for_random_shapes) {
  const TemporaryFolder folder;
  const std::uint64_t seed = std::random_device{}();
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  std::mt19937_64 random(seed);
  const auto below = [&](std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); };
  for (int trial = 0; trial < 12; ++trial) {
    MadeUp options;
    options.seed = random();
    options.shape.n_layers = 1 + below(5);
    options.shape.n_kv_heads = 1 + below(4);
    options.shape.n_q_heads = options.shape.n_kv_heads * (1 + below(4));
    options.shape.head_dim = 1 + below(40);
    options.n_prompt = below(100);
    options.n_positions = below(200);
    options.levels = levels_of(1 + below(15));
    options.qkv_dtype = below(2) == 0 ? FloatType::f16 : FloatType::f32;
    options.attention_dtype = below(2) == 0 ? FloatType::f16 : FloatType::f32;
    options.kept_share = below(3) * 0.5;
    WriterOptions writer;
    writer.overwrite = true;
    writer.pool_rows = 1 + below(10);
    writer.flush_seconds = below(2) == 0 ? 0.0 : 1e6;  // every row, or at the end
    const auto path = folder / "random.h5";
    write_trace(path, options, writer);
    const TraceReader reader(path);
    ASSERT_EQ(reader.n_positions(), options.n_positions);
    ASSERT_EQ(difference(reader, options, 0, options.n_positions), "") << "trial " << trial;
  }
}

TEST(TraceRoundTrip, keeps_provenance_and_status) {
  const TemporaryFolder folder;
  const MadeUp options;
  TraceInfo info = made_up_info(options);
  info.command_line = std::string(100000, 'x');
  info.sampling = R"({"mode": "greedy"})";
  info.epsilon = 0.125;
  info.seed = ~std::uint64_t{0};
  {
    TraceWriter writer(folder / "t.h5", info);
    for (std::uint32_t position = 0; position < 8; ++position) {
      auto row = writer.acquire();
      fill_row(options, position, *row);
      writer.submit(std::move(row));
    }
    writer.finish(StopReason::end_token);
    EXPECT_EQ(writer.progress().rows_flushed, 8U);
  }
  const TraceReader reader(folder / "t.h5");
  const TraceInfo& read = reader.info();
  EXPECT_EQ(read.command_line, std::string(65533, 'x') + "...");
  EXPECT_EQ(read.model_name, info.model_name);
  EXPECT_EQ(read.sampling, info.sampling);
  EXPECT_EQ(read.epsilon, info.epsilon);
  EXPECT_EQ(read.seed, info.seed);
  EXPECT_EQ(read.rho, info.rho);
  EXPECT_EQ(read.first_row, 8U);
  EXPECT_FALSE(reader.swmr());
  const TraceStatus status = reader.status();
  EXPECT_TRUE(status.complete);
  EXPECT_EQ(status.stop_reason, StopReason::end_token);
  EXPECT_EQ(status.nan_count, 2U);  // positions 0 and 7
}

TEST(TraceRoundTrip, gives_the_same_bytes_twice_when_flushes_do_not_depend_on_time) {
  const TemporaryFolder folder;
  WriterOptions writer;
  writer.flush_seconds = 1e6;
  MadeUp options;
  options.n_positions = 300;
  writer.pool_rows = 1000;  // no stalls: their number is in the file
  write_trace(folder / "a.h5", options, writer);
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));  // a stored time would differ
  write_trace(folder / "b.h5", options, writer);
  EXPECT_TRUE(file_bytes(folder / "a.h5") == file_bytes(folder / "b.h5"));
}

TEST(TraceRoundTrip, content_hash_ignores_layout_and_sees_content) {
  const TemporaryFolder folder;
  WriterOptions every_row;
  every_row.flush_seconds = 0;
  WriterOptions at_end;
  at_end.flush_seconds = 1e6;
  MadeUp options;
  write_trace(folder / "a.h5", options, every_row);
  write_trace(folder / "b.h5", options, at_end);
  options.seed = 2;
  write_trace(folder / "c.h5", options, at_end);
  const std::string hash = TraceReader(folder / "a.h5").content_sha256();
  EXPECT_FALSE(file_bytes(folder / "a.h5") == file_bytes(folder / "b.h5"));
  EXPECT_EQ(TraceReader(folder / "b.h5").content_sha256(), hash);
  EXPECT_NE(TraceReader(folder / "c.h5").content_sha256(), hash);
}

TEST(TraceRoundTrip, stays_small_when_every_row_is_flushed) {
  const TemporaryFolder folder;
  MadeUp options;
  options.n_positions = 400;
  WriterOptions writer;
  writer.flush_seconds = 1e6;
  write_trace(folder / "once.h5", options, writer);
  writer.flush_seconds = 0;
  write_trace(folder / "often.h5", options, writer);
  // 400 flushes instead of one: nothing is leaked by rewriting chunks, only filters are lost on some of them.
  EXPECT_LT(std::filesystem::file_size(folder / "often.h5"), 3 * std::filesystem::file_size(folder / "once.h5"));
}

TEST(TraceWriter, refuses_rows_of_the_wrong_size_or_order) {
  const TemporaryFolder folder;
  const MadeUp options;
  TraceWriter writer(folder / "t.h5", made_up_info(options));
  auto row = writer.acquire();
  fill_row(options, 1, *row);
  EXPECT_THROW(writer.submit(std::move(row)), WrongShape);
  row = writer.acquire();
  fill_row(options, 0, *row);
  row->q.pop_back();
  EXPECT_THROW(writer.submit(std::move(row)), WrongShape);
}

TEST(TraceWriter, refuses_to_overwrite_without_being_told) {
  const TemporaryFolder folder;
  MadeUp options;
  write_trace(folder / "t.h5", options);
  EXPECT_THROW(write_trace(folder / "t.h5", options), OutputExists);
  options.seed = 9;
  WriterOptions writer;
  writer.overwrite = true;
  write_trace(folder / "t.h5", options, writer);
  EXPECT_EQ(difference(TraceReader(folder / "t.h5"), options, 0, options.n_positions), "");
}

TEST(TraceWriter, refuses_places_where_no_file_can_be) {
  const TemporaryFolder folder;
  EXPECT_THROW(write_trace(folder.path(), {}), OutputFailed);
  EXPECT_THROW(write_trace(folder / "absent/t.h5", {}), OutputFailed);
  WriterOptions overwrite;
  overwrite.overwrite = true;
  EXPECT_THROW(write_trace("/dev/null", {}, overwrite), OutputFailed);
}

TEST(TraceWriter, leaves_a_readable_trace_when_it_is_dropped_without_finish) {
  const TemporaryFolder folder;
  const MadeUp options;
  {
    TraceWriter writer(folder / "t.h5", made_up_info(options));
    for (std::uint32_t position = 0; position < 70; ++position) {
      auto row = writer.acquire();
      fill_row(options, position, *row);
      writer.submit(std::move(row));
    }
  }
  const TraceReader reader(folder / "t.h5");
  EXPECT_EQ(reader.n_positions(), 70U);
  EXPECT_FALSE(reader.status().complete);
  EXPECT_EQ(reader.status().stop_reason, StopReason::failed);
  EXPECT_EQ(difference(reader, options, 0, 70), "");
}

}  // namespace
}  // namespace kvwave::traces::testing
