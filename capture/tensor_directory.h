// The tensors of one model by name, whatever kind of files they lie in, and checked ways to take them out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "capture/text_hash.h"
#include "kernels/params.h"

namespace kvwave::capture {

struct StoredTensor {
  std::string name;
  kernels::ParamType type = kernels::ParamType::f32;
  std::vector<std::uint64_t> shape;  ///< outermost extent first: [rows, cols]
  std::span<const std::byte> bytes;  ///< in the file; any alignment
};

/// How messages write a shape: as the file kind's own tools do.
enum class ShapeOrder { outermost_first, innermost_first };

class TensorDirectory {
 public:
  /// `source` names the model in messages.
  TensorDirectory(std::string source, ShapeOrder order) : source_(std::move(source)), order_(order) {}

  /// Throws DuplicateName when there is a tensor of that name.
  void add(StoredTensor tensor);

  const std::string& source() const { return source_; }
  std::span<const StoredTensor> all() const { return tensors_; }
  const StoredTensor* find(std::string_view name) const;  ///< nullptr when absent

  /// From now on matrices are not looked through for NaN and infinity.
  void trust_matrices() { trusts_matrices_ = true; }

  /// The matrix `name` of rows x cols, any type, in place. Throws MissingTensor, BadTensor for another shape, and
  /// BadModelFile when a value or block scale is NaN or infinite.
  kernels::ParamMatrix matrix(std::string_view name, std::uint32_t rows, std::uint32_t cols) const;

  /// The vector `name` of `size` values as fp32; F32, F16 or BF16 in the file. Throws as above.
  std::vector<float> vector(std::string_view name, std::uint32_t size) const;

  std::uint64_t total_bytes() const;
  std::map<std::string, std::uint64_t> count_by_type() const;  ///< e.g. {"F32": 61, "Q4_1": 210}
  std::string shape_text(std::span<const std::uint64_t> shape) const;

 private:
  const StoredTensor& require(std::string_view name, const std::vector<std::uint64_t>& shape) const;
  void require_finite(std::string_view name, const kernels::ParamMatrix& matrix) const;

  std::string source_;
  ShapeOrder order_;
  bool trusts_matrices_ = false;
  std::vector<StoredTensor> tensors_;
  std::unordered_map<std::string, std::size_t, TextHash, std::equal_to<>> index_;
};

}  // namespace kvwave::capture
