// What is left of a trace when its writer is killed, its disk is full or its bytes are damaged.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <random>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "tests/traces/child_process.h"
#include "tests/temporary_folder.h"
#include "tests/traces/trace_builder.h"
#include "traces/error.h"
#include "traces/repair.h"

namespace kvwave::traces::testing {
namespace {

namespace fs = std::filesystem;

std::uint64_t told_rows(const fs::path& path) {
  std::ifstream file(path.string() + ".flushed", std::ios::binary);
  std::uint64_t rows = 0;
  file.read(reinterpret_cast<char*>(&rows), sizeof(rows));
  return file ? rows : 0;
}

TEST(TraceSurvival, loses_nothing_flushed_when_its_writer_is_killed) {
  const std::uint64_t seed = std::random_device{}();
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  std::mt19937_64 random(seed);
  const MadeUp options;
  std::uint64_t rows = 0;
  for (int trial = 0; trial < 20; ++trial) {
    const TemporaryFolder folder;
    const fs::path path = folder / "t.h5";
    ChildProcess writer("write_until_killed", path);
    const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (told_rows(path) == 0 && std::chrono::steady_clock::now() < patience) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 150000));
    writer.kill();
    ASSERT_EQ(writer.wait(), -9);
    const TraceReader reader(path);
    EXPECT_TRUE(reader.swmr());
    EXPECT_FALSE(reader.status().complete);
    EXPECT_GE(reader.n_positions(), told_rows(path));
    ASSERT_GT(reader.n_positions(), 0U);
    EXPECT_EQ(difference(reader, options, 0, reader.n_positions()), "");
    rows += reader.n_positions();

    const Repaired repaired = repair_trace(path, folder / "fixed.h5", false);
    EXPECT_EQ(repaired.n_positions, reader.n_positions());
    EXPECT_TRUE(repaired.was_open);
    const TraceReader fixed(folder / "fixed.h5");
    EXPECT_FALSE(fixed.swmr());
    EXPECT_EQ(fixed.content_sha256(), reader.content_sha256());
  }
  std::printf("%llu rows checked\n", static_cast<unsigned long long>(rows));
}

TEST(TraceSurvival, stays_readable_when_the_disk_is_full) {
  const TemporaryFolder folder;
  const fs::path path = folder / "t.h5";
  ChildProcess writer("write_until_full", path);
  ASSERT_EQ(writer.wait(), 0);
  const TraceReader reader(path);
  EXPECT_GT(reader.n_positions(), 30U);
  EXPECT_EQ(difference(reader, MadeUp{}, 0, reader.n_positions()), "");
  EXPECT_FALSE(reader.status().complete);
}

/// A file as a killed writer leaves it.
void make_killed(const fs::path& path) {
  ChildProcess writer("write_until_killed", path);
  const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (told_rows(path) < 100 && std::chrono::steady_clock::now() < patience) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  writer.kill();
  writer.wait();
}

TEST(TraceSurvival, never_shows_wrong_rows_of_a_killed_and_then_truncated_file) {
  const TemporaryFolder folder;
  const fs::path path = folder / "t.h5";
  make_killed(path);
  const auto size = fs::file_size(path);
  int readable = 0;
  for (std::uintmax_t cut = 1; cut < 120; ++cut) {
    fs::resize_file(path, cut < 40 ? size - 37 * cut : size * (120 - cut) / 120);
    try {
      const TraceReader reader(path, {std::chrono::milliseconds(0)});
      ASSERT_EQ(difference(reader, MadeUp{}, 0, reader.n_positions()), "") << cut;
      ++readable;
    } catch (const Error&) {
    }
  }
  std::printf("%d of 119 still opened\n", readable);
}

TEST(TraceSurvival, leaves_nothing_behind_where_not_even_an_empty_file_fits) {
  const TemporaryFolder folder;
  ChildProcess writer("create_without_room", folder / "t.h5");
  EXPECT_EQ(writer.wait(), 0);
}

TEST(TraceWriterMemory, stays_bounded_whatever_the_length) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers keep freed memory";
#endif
  const TemporaryFolder folder;
  ChildProcess writer("write_much", folder / "t.h5");
  EXPECT_EQ(writer.wait(), 0);
}

TEST(TraceSurvival, repair_refuses_to_write_over_its_source_or_another_file) {
  const TemporaryFolder folder;
  write_trace(folder / "t.h5", {});
  write_trace(folder / "other.h5", {});
  EXPECT_THROW(repair_trace(folder / "t.h5", folder / "t.h5", true), OutputFailed);
  EXPECT_THROW(repair_trace(folder / "t.h5", folder / "other.h5", false), OutputExists);
  EXPECT_FALSE(repair_trace(folder / "t.h5", folder / "copy.h5", false).was_open);
}

}  // namespace
}  // namespace kvwave::traces::testing
