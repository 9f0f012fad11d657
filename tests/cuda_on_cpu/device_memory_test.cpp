// What `kvwave info MODEL` predicts against what a recording takes from the simulated device.
#include "capture/device_memory.h"

#include "control.h"
#include "tests/cuda_on_cpu/sequence_fixture.h"

namespace kvwave::capture {
namespace {

class DeviceMemoryTest : public CudaSequenceTest {
 protected:
  void expect_prediction(CacheType type) {
    constexpr std::uint32_t kPrompt = 5;
    constexpr std::uint32_t kSteps = 1;
    cudasim::take_memory_peak();
    record(prompt_of(kPrompt), greedy(kSteps, type), {}, kDevice);
    const auto measured = static_cast<double>(cudasim::take_memory_peak());
    const DeviceMemory predicted = predict_device_memory(*model_, type, kPrompt + kSteps);
    ASSERT_EQ(predicted.why_unknown, "");
    EXPECT_NEAR(static_cast<double>(predicted.memory.total()), measured, 0.05 * measured);
  }
};

TEST_F(DeviceMemoryTest, is_predicted_within_five_percent_for_both_types_of_cache) {
  TinyLlama shape;
  shape.n_layers = 1;
  write_model(shape);
  expect_prediction(CacheType::f16);
  expect_prediction(CacheType::f32);
}

TEST_F(DeviceMemoryTest, is_predicted_for_quantised_parameters_and_an_untied_output) {
  TinyLlama shape;
  shape.n_layers = 1;
  shape.hidden = 256;
  shape.ffn = 256;
  shape.n_q_heads = 4;
  shape.head_dim = 64;
  shape.matrix_type = kernels::ParamType::q4_k;
  shape.embedding_type = kernels::ParamType::q6_k;
  shape.tied_output = false;
  write_model(shape);
  expect_prediction(CacheType::f16);
}

TEST_F(DeviceMemoryTest, is_not_predicted_for_parameters_that_only_the_cpu_reads) {
  TinyLlama shape;
  shape.hidden = 256;
  shape.ffn = 256;
  shape.matrix_type = kernels::ParamType::iq4_nl;
  write_model(shape);
  const DeviceMemory predicted = predict_device_memory(*model_, CacheType::f16, 64);
  EXPECT_NE(predicted.why_unknown.find("IQ4_NL"), std::string::npos) << predicted.why_unknown;
}

TEST_F(DeviceMemoryTest, grows_with_the_positions_by_the_cache_alone_but_for_rows) {
  TinyLlama shape;
  shape.context_length = 1 << 16;
  write_model(shape);
  const auto few = predict_device_memory(*model_, CacheType::f16, 1024);
  const auto lots = predict_device_memory(*model_, CacheType::f16, 8 * 1024);
  EXPECT_EQ(few.memory.parameters, lots.memory.parameters);
  EXPECT_EQ(8 * few.memory.kv_cache, lots.memory.kv_cache);
  EXPECT_EQ(predict_device_memory(*model_, CacheType::f32, 1024).memory.kv_cache, 2 * few.memory.kv_cache);
}

}  // namespace
}  // namespace kvwave::capture
