#include "capture/tensor_directory.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "capture/error.h"
#include "capture/printable.h"

namespace kvwave::capture {

using kernels::ParamMatrix;

void TensorDirectory::add(StoredTensor tensor) {
  if (!index_.emplace(tensor.name, tensors_.size()).second) {
    throw DuplicateName(fmt::format("{}: tensor {} appears twice", source_, printable(tensor.name)));
  }
  tensors_.push_back(std::move(tensor));
}

const StoredTensor* TensorDirectory::find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

std::string TensorDirectory::shape_text(std::span<const std::uint64_t> shape) const {
  std::vector<std::uint64_t> shown(shape.begin(), shape.end());
  if (order_ == ShapeOrder::innermost_first) std::reverse(shown.begin(), shown.end());
  return fmt::format("[{}]", fmt::join(shown, ", "));
}

const StoredTensor& TensorDirectory::require(std::string_view name, const std::vector<std::uint64_t>& shape) const {
  const StoredTensor* tensor = find(name);
  if (tensor == nullptr) {
    throw MissingTensor(fmt::format("{}: tensor '{}' is missing; expected shape {}", source_, name, shape_text(shape)));
  }
  if (tensor->shape != shape) {
    throw BadTensor(fmt::format("{}: tensor '{}' has shape {}, expected {}", source_, name, shape_text(tensor->shape),
                                shape_text(shape)));
  }
  return *tensor;
}

void TensorDirectory::require_finite(std::string_view name, const ParamMatrix& matrix) const {
  if (const auto row = kernels::first_non_finite_row(matrix)) {
    throw BadModelFile(fmt::format("{}: tensor '{}' holds NaN or infinity in row {}", source_, name, *row));
  }
}

ParamMatrix TensorDirectory::matrix(std::string_view name, std::uint32_t rows, std::uint32_t cols) const {
  const StoredTensor& tensor = require(name, {rows, cols});
  const ParamMatrix matrix{tensor.bytes.data(), tensor.type, rows, cols};
  if (!trusts_matrices_) require_finite(name, matrix);
  return matrix;
}

std::vector<float> TensorDirectory::vector(std::string_view name, std::uint32_t size) const {
  const StoredTensor& tensor = require(name, {size});
  if (kernels::block_values(tensor.type) != 1) {
    throw BadTensor(fmt::format("{}: tensor '{}' has type {}, expected F32, F16 or BF16", source_, name,
                                kernels::to_string(tensor.type)));
  }
  require_finite(name, ParamMatrix{tensor.bytes.data(), tensor.type, 1, size});
  std::vector<float> values(size);
  kernels::dequantise_row(tensor.type, tensor.bytes.data(), values);
  return values;
}

std::uint64_t TensorDirectory::total_bytes() const {
  std::uint64_t bytes = 0;
  for (const StoredTensor& tensor : tensors_) bytes += tensor.bytes.size();
  return bytes;
}

std::map<std::string, std::uint64_t> TensorDirectory::count_by_type() const {
  std::map<std::string, std::uint64_t> count;
  for (const StoredTensor& tensor : tensors_) ++count[std::string(kernels::to_string(tensor.type))];
  return count;
}

}  // namespace kvwave::capture
