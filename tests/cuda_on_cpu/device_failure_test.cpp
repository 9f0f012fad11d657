// A kernel that fails in the middle of a recording: the run ends with an error that names the call, and what was
// recorded until then can be read.
#include <string>
#include <vector>

#include "capture/cuda_sequence.h"
#include "control.h"
#include "kernels/error.h"
#include "tests/cuda_on_cpu/sequence_fixture.h"
#include "traces/reader.h"

namespace kvwave::capture {
namespace {

class DeviceFailureTest : public CudaSequenceTest {
 protected:
  // The simulated device works again, and nothing of the broken run is left on it.
  void TearDown() override {
    cudasim::clear_fault();
    EXPECT_EQ(cudasim::memory_in_use(), 0U);
  }
};

TEST_F(DeviceFailureTest, in_the_middle_of_a_recording_leaves_a_readable_trace) {
  TinyLlama shape;
  shape.n_layers = 1;
  write_model(shape);
  const PromptTokens prompt = prompt_of(5);
  const DecodeOptions decode = greedy(12, CacheType::f16);
  const std::uint64_t before = cudasim::launches();
  const std::filesystem::path whole = record(prompt, decode, {}, kDevice).path;
  const std::uint64_t needed = cudasim::launches() - before;

  cudasim::fail_launch_after(needed * 3 / 4);
  try {
    record(prompt, decode, {}, kDevice);
    FAIL() << "the failed kernel went unnoticed";
  } catch (const kernels::DeviceFailure& error) {
    EXPECT_NE(std::string(error.what()).find("cudaErrorLaunchFailure"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find(" at kernels/"), std::string::npos) << error.what();
  }

  const traces::TraceReader broken(newest_trace_);
  const traces::TraceReader good(whole);
  EXPECT_FALSE(broken.status().complete);
  EXPECT_EQ(broken.status().stop_reason, traces::StopReason::failed);
  ASSERT_GT(broken.n_positions(), 5U) << "decode steps before the failure are kept";
  ASSERT_LT(broken.n_positions(), good.n_positions());
  traces::AttentionRows broken_rows;
  traces::AttentionRows good_rows;
  for (std::uint32_t position = broken.info().first_row; position < broken.n_positions(); ++position) {
    broken.attention(position, broken_rows);
    good.attention(position, good_rows);
    for (std::uint32_t q_head = 0; q_head < good.shape().n_q_heads; ++q_head) {
      const auto actual = broken_rows.row(0, q_head);
      const auto expected = good_rows.row(0, q_head);
      EXPECT_EQ(std::vector(actual.prob.begin(), actual.prob.end()),
                std::vector(expected.prob.begin(), expected.prob.end()))
          << "position " << position << ", q_head " << q_head;
    }
  }
}

TEST_F(DeviceFailureTest, before_the_first_step_is_an_error_too) {
  write_model({});
  cudasim::fail_launch_after(0);
  EXPECT_THROW(record(prompt_of(4), greedy(4, CacheType::f16), {}, kDevice), kernels::DeviceFailure);
  const traces::TraceReader broken(newest_trace_);
  EXPECT_EQ(broken.n_positions(), 0U);
}

}  // namespace
}  // namespace kvwave::capture
