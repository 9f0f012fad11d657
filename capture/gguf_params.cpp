#include "capture/gguf_params.h"

#include <string>

#include <fmt/format.h>

#include "capture/error.h"

namespace kvwave::capture {
namespace {

using kernels::ParamMatrix;

const GgufTensor& require_shape(const GgufFile& file, std::string_view name, const std::vector<std::uint64_t>& shape) {
  GgufTensor expected;
  expected.shape = shape;
  const GgufTensor* tensor = file.find_tensor(name);
  if (tensor == nullptr) {
    throw BadTensor(fmt::format("{}: tensor '{}' is missing; expected shape {}", file.path().string(), name,
                                expected.shape_text()));
  }
  if (tensor->shape != shape) {
    throw BadTensor(fmt::format("{}: tensor '{}' has shape {}, expected {}", file.path().string(), name,
                                tensor->shape_text(), expected.shape_text()));
  }
  return *tensor;
}

void require_finite(const GgufFile& file, std::string_view name, const ParamMatrix& matrix) {
  if (const auto row = kernels::first_non_finite_row(matrix)) {
    throw BadModelFile(
        fmt::format("{}: tensor '{}' holds NaN or infinity in row {}", file.path().string(), name, *row));
  }
}

}  // namespace

ParamMatrix require_matrix(const GgufFile& file, std::string_view name, std::uint32_t rows, std::uint32_t cols) {
  const GgufTensor& tensor = require_shape(file, name, {cols, rows});
  const ParamMatrix matrix{tensor.bytes.data(), tensor.type, rows, cols};
  require_finite(file, name, matrix);
  return matrix;
}

std::vector<float> require_vector(const GgufFile& file, std::string_view name, std::uint32_t size) {
  const GgufTensor& tensor = require_shape(file, name, {size});
  if (kernels::block_values(tensor.type) != 1) {
    throw BadTensor(fmt::format("{}: tensor '{}' has type {}, expected F32, F16 or BF16", file.path().string(), name,
                                kernels::to_string(tensor.type)));
  }
  require_finite(file, name, ParamMatrix{tensor.bytes.data(), tensor.type, 1, size});
  std::vector<float> values(size);
  kernels::dequantise_row(tensor.type, tensor.bytes.data(), values);
  return values;
}

}  // namespace kvwave::capture
