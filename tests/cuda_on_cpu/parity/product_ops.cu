// Products and the embedding.
#include "kernels/cuda_matrix.cuh"
#include "kernels/device.h"
#include "kernels/gemm_cuda.cuh"
#include "kernels/gemv_cuda.cuh"
#include "kernels/transformer_ops_cuda.cuh"
#include "tests/cuda_on_cpu/parity/device_ops.h"
#include "tests/cuda_on_cpu/parity/test_buffers.h"

namespace kvwave::testing {

using namespace kernels;

std::string why_no_device() {
  const DeviceList list = list_devices();
  if (!list.why_none.empty()) return list.why_none;
  return list.cuda.empty() ? "no device" : list.cuda.front().why_unusable;
}

std::vector<std::vector<float>> run_gemv(const GemvCase& c) {
  const Stream stream;
  const unsigned cols = c.matrices.front().cols;
  const auto x = upload(with_stride(c.x, cols), stream.get());
  const auto up = upload(with_stride(c.up, cols), stream.get());
  const auto norm = upload(with_stride(c.norm, cols), stream.get());
  std::vector<UploadedMatrix> matrices;
  std::vector<DeviceBuffer<float>> outs;
  std::vector<DeviceBuffer<float>> biases;
  std::vector<GemvOutput> vector_outputs;
  std::vector<GemmOutput> block_outputs;
  for (std::size_t i = 0; i < c.matrices.size(); ++i) {
    const unsigned rows = c.matrices[i].rows;
    matrices.emplace_back(c.matrices[i], stream.get());
    outs.push_back(upload(
        std::vector<float>(std::size_t{c.n_positions} * padded_width(rows), c.before.empty() ? 0.0F : c.before[0]),
        stream.get()));
    biases.push_back(upload(i < c.bias.size() ? c.bias[i] : std::vector<float>{}, stream.get()));
    vector_outputs.push_back({matrices.back().view(), biases.back().data(), outs.back().data(), !c.before.empty()});
    block_outputs.push_back(
        {matrices.back().view(), biases.back().data(), outs.back().data(), padded_width(rows), !c.before.empty()});
  }
  const GemvInput input{x.data(), c.up.empty() ? nullptr : up.data(), c.norm.empty() ? nullptr : norm.data(),
                        c.epsilon};
  const auto n_outputs = static_cast<unsigned>(outs.size());
  if (c.n_positions > 1 || c.tensor_cores) {
    DeviceBuffer<float> prepared(x.size(), kTestUse);
    prepare_input_cuda(input, cols, padded_width(cols), c.n_positions, prepared.data(), stream.get());
    gemm_cuda(prepared.data(), padded_width(cols), c.n_positions, block_outputs.data(), n_outputs, stream.get());
    KVWAVE_CUDA_CHECK(cudaStreamSynchronize(stream.get()));
  } else {
    gemv_cuda(input, vector_outputs.data(), n_outputs, stream.get());
  }
  std::vector<std::vector<float>> results;
  for (std::size_t i = 0; i < outs.size(); ++i) {
    results.push_back(without_stride(download(outs[i], stream.get()), c.matrices[i].rows));
  }
  return results;
}

std::vector<float> run_embed(const ParamMatrix& embedding, std::span<const std::int32_t> tokens) {
  const Stream stream;
  const UploadedMatrix matrix(embedding, stream.get());
  std::vector<StepInput> host(1);
  std::copy(tokens.begin(), tokens.end(), host[0].token);
  const auto input = upload(host, stream.get());
  const unsigned stride = padded_width(embedding.cols);
  DeviceBuffer<float> x(tokens.size() * stride, kTestUse);
  embed_cuda(matrix.view(), input.data(), static_cast<unsigned>(tokens.size()), x.data(), stride, stream.get());
  return without_stride(download(x, stream.get()), embedding.cols);
}

}  // namespace kvwave::testing
