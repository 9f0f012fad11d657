// Whole decode steps on the device against the CPU decoder: logits, what is recorded, and the memory it takes.
#include "capture/cuda_sequence.h"

#include <numeric>
#include <regex>

#include "capture/error.h"
#include "control.h"
#include "kernels/error.h"
#include "replay/verify.h"
#include "tests/cuda_on_cpu/sequence_fixture.h"
#include "traces/reader.h"

namespace kvwave::capture {
namespace {

// Rows of 256, which every type's blocks divide.
TinyLlama one_wide_layer(kernels::ParamType type) {
  TinyLlama shape{.n_layers = 1, .hidden = 256, .ffn = 256, .n_q_heads = 4, .n_kv_heads = 2, .head_dim = 64};
  shape.matrix_type = type;
  shape.embedding_type = type;
  return shape;
}

TEST_F(CudaSequenceTest, every_parameter_type_gives_the_logits_of_the_cpu) {
  for (int type = 0; type < static_cast<int>(kernels::kParamTypeCount); ++type) {
    if (!kernels::runs_on_cuda(static_cast<kernels::ParamType>(type))) continue;
    TinyLlama shape = one_wide_layer(static_cast<kernels::ParamType>(type));
    shape.tied_output = type % 2 == 0;
    write_model(shape);
    expect_equal_logits({{5, 9, 200}, {17}}, std::string(to_string(shape.matrix_type)));
  }
}

TEST_F(CudaSequenceTest, types_that_only_the_cpu_reads_are_refused_by_name_before_anything_is_written) {
  for (const auto& [type, name] : {std::pair{kernels::ParamType::q2_k, "Q2_K"},
                                   {kernels::ParamType::q3_k, "Q3_K"},
                                   {kernels::ParamType::iq4_nl, "IQ4_NL"},
                                   {kernels::ParamType::mxfp4, "MXFP4"}}) {
    write_model(one_wide_layer(type));
    kernels::ThreadPool pool(1);
    try {
      make_sequence_decoder(*model_, CacheType::f16, pool, kDevice);
      FAIL() << name << " was accepted";
    } catch (const UnsupportedModel& error) {
      EXPECT_NE(std::string(error.what()).find(name), std::string::npos) << error.what();
      EXPECT_NE(std::string(error.what()).find("--device cpu"), std::string::npos) << error.what();
    }
  }
}

TEST_F(CudaSequenceTest, odd_shapes_give_the_logits_of_the_cpu) {
  for (const auto& [n_q_heads, n_kv_heads, head_dim] :
       {std::array{3U, 1U, 80U}, std::array{5U, 5U, 16U}, std::array{14U, 2U, 32U}, std::array{2U, 1U, 256U}}) {
    TinyLlama shape;
    shape.hidden = 72;
    shape.ffn = 100;
    shape.n_q_heads = n_q_heads;
    shape.n_kv_heads = n_kv_heads;
    shape.head_dim = head_dim;
    write_model(shape);
    expect_equal_logits({{1, 2, 3, 4, 5, 6, 7, 8, 9}, {10}}, "head_dim " + std::to_string(head_dim));
  }
}

TEST_F(CudaSequenceTest, a_graph_serves_until_the_sequence_needs_a_wider_one) {
  TinyLlama shape;
  shape.n_layers = 1;
  shape.hidden = 32;
  shape.ffn = 32;
  shape.n_q_heads = 1;
  shape.n_kv_heads = 1;
  shape.context_length = 600;
  write_model(shape);
  std::vector<std::vector<std::int32_t>> blocks{prompt_of(126).ids};
  for (int step = 0; step < 6; ++step) blocks.push_back({40 + step});  // across position 128
  blocks.push_back(prompt_of(124).ids);
  for (int step = 0; step < 4; ++step) blocks.push_back({50 + step});  // and 256
  blocks.push_back(prompt_of(258).ids);                                // more than one block of a prompt
  expect_equal_logits(blocks, "long");
}

TEST_F(CudaSequenceTest, the_trace_is_that_of_the_cpu) {
  write_model({});
  RecordOptions options;
  options.epsilon = 0;
  options.attention_dtype = traces::FloatType::f32;
  options.prompt_window = 5;
  const PromptTokens prompt = prompt_of(21);
  const Recording on_cpu = record(prompt, greedy(12, CacheType::f32), options, {});
  const Recording on_device = record(prompt, greedy(12, CacheType::f32), options, kDevice);
  const traces::TraceReader cpu(on_cpu.path);
  const traces::TraceReader device(on_device.path);
  EXPECT_EQ(device.info().device, kDevice.name);
  EXPECT_EQ(device.info().attention_kernel, "cuda-chunks, prompt mma-3xtf32");
  ASSERT_EQ(device.n_positions(), cpu.n_positions());
  std::vector<std::int32_t> cpu_ids(cpu.n_positions());
  std::vector<std::int32_t> device_ids(cpu.n_positions());
  cpu.token_ids(0, cpu.n_positions(), cpu_ids);
  device.token_ids(0, cpu.n_positions(), device_ids);
  EXPECT_EQ(device_ids, cpu_ids);

  const traces::ModelShape& shape = cpu.shape();
  traces::AttentionRows cpu_rows;
  traces::AttentionRows device_rows;
  for (std::uint32_t position = cpu.info().first_row; position < cpu.n_positions(); ++position) {
    cpu.attention(position, cpu_rows);
    device.attention(position, device_rows);
    for (std::uint32_t layer = 0; layer < shape.n_layers; ++layer) {
      for (std::uint32_t q_head = 0; q_head < shape.n_q_heads; ++q_head) {
        const auto expected = cpu_rows.row(layer, q_head);
        const auto actual = device_rows.row(layer, q_head);
        ASSERT_EQ(actual.prob.size(), expected.prob.size());
        for (std::size_t i = 0; i < expected.prob.size(); ++i) {
          ASSERT_NEAR(actual.prob[i], expected.prob[i], 1e-5)
              << "layer " << layer << ", q_head " << q_head << ", position " << position << ", key " << i;
        }
      }
    }
  }
}

TEST_F(CudaSequenceTest, a_trace_of_the_device_passes_verification) {
  write_model({});
  const PromptTokens prompt = prompt_of(20);
  RecordOptions options;
  options.prompt_window = 4;
  for (const CacheType type : {CacheType::f16, CacheType::f32}) {
    const Recording recording = record(prompt, greedy(8, type), options, kDevice);
    EXPECT_EQ(recording.result.n_tokens, 8U);
    const traces::TraceReader trace(recording.path);
    const replay::VerifyReport report = replay::verify(trace);
    EXPECT_TRUE(report.complete);
    for (const replay::Check& check : report.checks) {
      EXPECT_EQ(check.outside, 0U) << check.name << ": " << check.difference << ", allowed " << check.allowed << ' '
                                   << check.note;
    }
    EXPECT_TRUE(report.passed());
  }
}

TEST_F(CudaSequenceTest, the_device_memory_is_what_was_predicted) {
  write_model({});
  const kernels::DecoderModel model = decoder_model(*model_);
  const kernels::CudaDecoderOptions options{0, kernels::KvType::f16, 200};
  kernels::RecordOptions record;
  record.rho = {0.5, 0.93};
  class Ignore final : public kernels::DecodeRecordSink {
    void record(const kernels::DecodeRecord&) override {}
  } sink;
  ASSERT_EQ(cudasim::memory_in_use(), 0U);
  kernels::CudaDecoder decoder(model, options);
  EXPECT_EQ(cudasim::memory_in_use(), cuda_decoder_memory(model, options, nullptr).total());
  decoder.start_recording(record, sink);
  EXPECT_EQ(cudasim::memory_in_use(), cuda_decoder_memory(model, options, &record).total());
}

TEST_F(CudaSequenceTest, too_little_device_memory_is_an_error_that_says_what_helps) {
  write_model({});
  cudasim::set_memory_limit(1 << 16);
  kernels::ThreadPool pool(1);
  const auto device = make_sequence_decoder(*model_, CacheType::f16, pool, kDevice);
  try {
    device->begin(500, nullptr);
    FAIL() << "fits in 64 KiB";
  } catch (const kernels::DeviceOutOfMemory& error) {
    EXPECT_TRUE(std::regex_match(
        error.what(),
        std::regex(
            "out of device memory: [0-9]+ MiB asked for .+, [0-9]+ MiB of 1 MiB free; .*(lower -n|--device cpu)")))
        << error.what();
  }
  cudasim::set_memory_limit(std::size_t{1} << 40);
  EXPECT_EQ(cudasim::memory_in_use(), 0U);
}

TEST_F(CudaSequenceTest, a_head_dim_without_kernels_is_refused) {
  TinyLlama shape;
  shape.head_dim = 12;
  write_model(shape);
  kernels::ThreadPool pool(1);
  const auto device = make_sequence_decoder(*model_, CacheType::f16, pool, kDevice);
  EXPECT_THROW(device->begin(10, nullptr), kernels::Error);
}

}  // namespace
}  // namespace kvwave::capture
