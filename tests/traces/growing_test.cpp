// A reader in another process follows a file while it grows.
#include <chrono>
#include <thread>

#include <gtest/gtest.h>

#include "tests/traces/child_process.h"
#include "tests/temporary_folder.h"
#include "tests/traces/trace_builder.h"

namespace kvwave::traces::testing {
namespace {

using Clock = std::chrono::steady_clock;

TEST(TraceReader, follows_a_growing_file_to_its_end) {
  const TemporaryFolder folder;
  MadeUp options;
  options.n_positions = kSlowRows;
  ChildProcess writer("write_slowly", folder / "t.h5");
  const auto deadline = Clock::now() + std::chrono::seconds(60);
  while (!std::filesystem::exists(folder / "t.h5.flushed") && Clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  TraceReader reader(folder / "t.h5", {std::chrono::seconds(10)});
  EXPECT_TRUE(reader.swmr());
  std::uint32_t seen = 0;
  int growths = 0;
  while (seen < options.n_positions && Clock::now() < deadline) {
    if (!reader.refresh()) continue;
    ASSERT_GT(reader.n_positions(), seen);
    // Rows seen before must stay what they were, also those in chunks that were half full.
    ASSERT_EQ(difference(reader, options, seen > 20 ? seen - 20 : 0, reader.n_positions()), "");
    seen = reader.n_positions();
    ++growths;
  }
  EXPECT_EQ(seen, options.n_positions);
  EXPECT_GT(growths, 3);
  EXPECT_EQ(writer.wait(), 0);
  reader.refresh();
  EXPECT_TRUE(reader.status().complete);
  EXPECT_EQ(difference(reader, options, 0, options.n_positions), "");
  EXPECT_FALSE(TraceReader(folder / "t.h5").swmr());
}

}  // namespace
}  // namespace kvwave::traces::testing
