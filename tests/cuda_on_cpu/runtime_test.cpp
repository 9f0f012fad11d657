// Errors of the device layer name what failed and where.
#include <gtest/gtest.h>

#include "control.h"
#include "tests/bench/device_bandwidth.h"
#include "tests/cuda_on_cpu/runtime_checks.h"

namespace kvwave::testing {
namespace {

TEST(DeviceLayer, out_of_memory_says_what_was_asked_what_is_free_and_what_helps) {
  cudasim::set_memory_limit(std::size_t{8} << 20);
  EXPECT_EQ(refusal_of_allocation(std::size_t{9} << 20),
            "out of device memory: 9 MiB asked for the KV cache, 8 MiB of 8 MiB free; lower -n");
  EXPECT_EQ(refusal_of_allocation(std::size_t{1} << 20), "");
  EXPECT_EQ(cudasim::memory_in_use(), 0U) << "buffers free themselves";
  cudasim::set_memory_limit(std::size_t{1} << 40);
}

TEST(DeviceLayer, a_failed_call_names_itself_and_its_place) {
  const std::string text = refusal_of_launch();
  EXPECT_NE(text.find("cudaErrorInvalidConfiguration"), std::string::npos) << text;
  EXPECT_NE(text.find("cudaLaunchKernelEx"), std::string::npos) << text;
  EXPECT_NE(text.find(" at kernels/cuda_launch.cuh:"), std::string::npos) << text;
}

TEST(DeviceLayer, copies_stay_inside_their_buffer) {
  EXPECT_EQ(refusal_of_copy(), "a copy would leave a device buffer");
}

TEST(DeviceLayer, bandwidth_is_measured_within_the_memory_asked_for) {
  cudasim::set_memory_limit(std::size_t{1} << 16);
  const bench::Bandwidth found = bench::device_bandwidth(0, std::size_t{1} << 16);
  EXPECT_GT(found.read, 0);
  EXPECT_GT(found.copy, 0);
  EXPECT_EQ(bench::free_device_bytes(0), std::size_t{1} << 16) << "it gives back what it took";
  cudasim::set_memory_limit(std::size_t{1} << 40);
}

}  // namespace
}  // namespace kvwave::testing
