// The viewer beside a writer in another process: new steps appear, and a killed writer's trace stays readable.
#include <chrono>
#include <filesystem>
#include <thread>

#include <gtest/gtest.h>
#include <hdf5.h>

#include "tests/temporary_folder.h"
#include "tests/traces/child_process.h"
#include "tests/traces/trace_builder.h"
#include "viewer/model/session.h"

namespace kvwave::viewer {
namespace {

using traces::testing::ChildProcess;
using Clock = std::chrono::steady_clock;

void wait_for(const std::filesystem::path& path) {
  const auto deadline = Clock::now() + std::chrono::seconds(60);
  while (!std::filesystem::exists(path) && Clock::now() < deadline)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

TEST(GrowingTrace, new_steps_appear_and_the_cursor_stays_at_the_newest) {
  const TemporaryFolder folder;
  ChildProcess writer("write_slowly", folder / "t.h5");
  wait_for(folder / "t.h5.flushed");
  Session session;
  session.open(folder / "t.h5");
  session.wait();
  ASSERT_TRUE(session.has_trace());
  EXPECT_TRUE(session.at_head);
  const traces::testing::MadeUp options;
  const std::uint32_t all = traces::testing::kSlowRows - options.n_prompt;
  const auto deadline = Clock::now() + std::chrono::seconds(60);
  auto now = Clock::now();
  while ((session.trace().n_steps() < all || session.trace().growing) && Clock::now() < deadline) {
    session.follow(now += std::chrono::seconds(1));
    session.wait();
    for (const auto& m : session.take_messages()) {
      if (m.find("not finite") == std::string::npos) FAIL() << m;  // the writer counts some on purpose
    }
    if (session.trace().n_steps() > 0) {
      ASSERT_EQ(session.view().step, session.trace().n_steps() - 1);
    }
  }
  EXPECT_EQ(session.trace().n_steps(), all);
  EXPECT_FALSE(session.trace().growing) << "a finished trace is live no more";
  session.figure("wave-time");
  session.wait();
  ASSERT_NE(session.figure("wave-time").figure, nullptr);
  EXPECT_EQ(session.figure("wave-time").figure->heatmap->values->columns(), all);
  EXPECT_EQ(writer.wait(), 0);
}

TEST(GrowingTrace, a_moved_cursor_is_left_where_it_is) {
  const TemporaryFolder folder;
  ChildProcess writer("write_slowly", folder / "t.h5");
  wait_for(folder / "t.h5.flushed");
  Session session;
  session.open(folder / "t.h5");
  session.wait();
  auto now = Clock::now();
  const auto deadline = now + std::chrono::seconds(60);
  while (session.trace().n_steps() < 10 && Clock::now() < deadline) {
    session.follow(now += std::chrono::seconds(1));
    session.wait();
  }
  ViewState view = session.view();
  view.step = 3;
  session.set_view(view);
  EXPECT_FALSE(session.at_head);
  session.follow(now += std::chrono::seconds(1));
  session.wait();
  EXPECT_EQ(session.view().step, 3U);
}

TEST(OtherVersion, a_trace_of_a_later_format_is_named_by_its_number) {
  const TemporaryFolder folder;
  traces::testing::write_trace(folder / "t.h5", {});
  const hid_t file = H5Fopen((folder / "t.h5").c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  const hid_t version = H5Aopen(file, "format_version", H5P_DEFAULT);
  const int later = 99;
  H5Awrite(version, H5T_NATIVE_INT, &later);
  H5Aclose(version);
  H5Fclose(file);
  Session session;
  session.open(folder / "t.h5");
  session.wait();
  EXPECT_FALSE(session.has_trace());
  const std::string message = session.take_messages().front();
  EXPECT_NE(message.find("99"), std::string::npos) << message;
  EXPECT_NE(message.find("t.h5"), std::string::npos) << message;
}

TEST(GrowingTrace, a_killed_writers_trace_is_shown_as_far_as_it_goes) {
  const TemporaryFolder folder;
  ChildProcess writer("write_slowly", folder / "t.h5");
  wait_for(folder / "t.h5.flushed");
  writer.kill();
  Session session;
  session.open(folder / "t.h5");
  session.wait();
  ASSERT_TRUE(session.has_trace()) << (session.take_messages().empty() ? "" : "see messages");
  EXPECT_FALSE(session.trace().status.complete);
  session.figure("run");
  session.wait();
  EXPECT_NE(session.figure("run").figure, nullptr);
}

}  // namespace
}  // namespace kvwave::viewer
