#include "capture/available_memory.h"

#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "tests/temporary_folder.h"

namespace kvwave::capture {
namespace {

class AvailableMemory : public ::testing::Test {
 protected:
  AvailableMemory() { write("proc/meminfo", "MemTotal: 2000 kB\nMemFree: 10 kB\nMemAvailable: 1000 kB\n"); }

  void write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  std::uint64_t available() const { return available_memory(root_ / ""); }

  TemporaryFolder root_;
};

TEST_F(AvailableMemory, is_what_the_kernel_says_where_no_group_limits_it) {
  EXPECT_EQ(available(), 1000U * 1024);
  write("proc/self/cgroup", "0::/\n");
  write("sys/fs/cgroup/memory.max", "max\n");
  write("sys/fs/cgroup/memory.current", "5\n");
  EXPECT_EQ(available(), 1000U * 1024);
}

TEST_F(AvailableMemory, is_what_the_tightest_group_of_version_2_leaves_and_files_do_not_count_as_taken) {
  write("proc/self/cgroup", "0::/jobs/one\n");
  write("sys/fs/cgroup/jobs/memory.max", "400000\n");
  write("sys/fs/cgroup/jobs/memory.current", "300000\n");
  write("sys/fs/cgroup/jobs/memory.stat", "anon 100000\nactive_file 50000\ninactive_file 150000\n");
  EXPECT_EQ(available(), 400000U - 100000U);
  write("sys/fs/cgroup/jobs/one/memory.max", "90000\n");
  write("sys/fs/cgroup/jobs/one/memory.current", "60000\n");
  EXPECT_EQ(available(), 30000U);
  write("sys/fs/cgroup/jobs/one/memory.current", "100000\n");
  EXPECT_EQ(available(), 0U);
}

TEST_F(AvailableMemory, is_what_the_tightest_group_of_version_1_leaves) {
  write("proc/self/cgroup", "9:name=systemd:/\n4:memory:/step\n0::/\n");
  write("sys/fs/cgroup/memory/step/memory.limit_in_bytes", "500000\n");
  write("sys/fs/cgroup/memory/step/memory.usage_in_bytes", "450000\n");
  write("sys/fs/cgroup/memory/step/memory.stat", "cache 1\ntotal_active_file 100\ntotal_inactive_file 300000\n");
  EXPECT_EQ(available(), 50000U + 300100U);
}

TEST_F(AvailableMemory, is_unknown_where_nothing_says_it) {
  std::filesystem::remove(root_ / "proc/meminfo");
  EXPECT_EQ(available(), 0U);
  write("proc/self/cgroup", "garbage\n::\n0::/../../..\n");
  EXPECT_EQ(available(), 0U);
}

}  // namespace
}  // namespace kvwave::capture
