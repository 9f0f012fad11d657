// Finds parameters that are not numbers before they poison a run.
#include <cstring>

#include "kernels/params.h"

namespace kvwave::kernels {
namespace {

constexpr std::uint32_t kHalfExponent = 0x7c00;
constexpr std::uint32_t kBfloatExponent = 0x7f80;
constexpr std::uint32_t kFloatExponent = 0x7f800000;
constexpr std::uint8_t kLargestMxfp4Exponent = 252;  // 12 times 2^(252 - 128) is finite, 12 times the next is not

/// Where the fp16 fields of a quantised block lie; `count` is 1 or 2, neighbours.
struct HalfFields {
  std::size_t offset = 0;
  std::size_t count = 1;
};

HalfFields half_fields(ParamType type) {
  switch (type) {
    case ParamType::q4_1:
    case ParamType::q5_1:
    case ParamType::q4_k:
    case ParamType::q5_k:
      return {0, 2};
    case ParamType::q6_k:
      return {208, 1};
    case ParamType::q2_k:
      return {80, 2};
    case ParamType::q3_k:
      return {108, 1};
    default:
      return {0, 1};
  }
}

// Whether any of n fields of T, `stride` bytes apart, has all exponent bits set. Without an early exit, so that the
// compiler can use vectors.
template <typename T>
bool any_non_finite(const std::byte* p, std::size_t n, std::size_t stride, std::uint32_t exponent) {
  bool found = false;
  for (std::size_t i = 0; i < n; ++i) {
    T bits;
    std::memcpy(&bits, p + i * stride, sizeof bits);
    found |= (bits & exponent) == exponent;
  }
  return found;
}

bool mxfp4_is_finite(const std::byte* row, std::size_t blocks) {
  bool finite = true;
  for (std::size_t b = 0; b < blocks; ++b) {
    finite &= std::to_integer<std::uint8_t>(row[b * block_bytes(ParamType::mxfp4)]) <= kLargestMxfp4Exponent;
  }
  return finite;
}

bool row_is_finite(ParamType type, const std::byte* row, std::size_t cols) {
  switch (type) {
    case ParamType::f32:
      return !any_non_finite<std::uint32_t>(row, cols, sizeof(std::uint32_t), kFloatExponent);
    case ParamType::f16:
      return !any_non_finite<std::uint16_t>(row, cols, sizeof(std::uint16_t), kHalfExponent);
    case ParamType::bf16:
      return !any_non_finite<std::uint16_t>(row, cols, sizeof(std::uint16_t), kBfloatExponent);
    case ParamType::mxfp4:
      return mxfp4_is_finite(row, cols / block_values(type));
    default:
      break;
  }
  const HalfFields fields = half_fields(type);
  const std::size_t blocks = cols / block_values(type);
  for (std::size_t field = 0; field < fields.count; ++field) {
    const std::byte* first = row + fields.offset + field * sizeof(std::uint16_t);
    if (any_non_finite<std::uint16_t>(first, blocks, block_bytes(type), kHalfExponent)) return false;
  }
  return true;
}

}  // namespace

std::optional<std::size_t> first_non_finite_row(const ParamMatrix& matrix) {
  for (std::size_t r = 0; r < matrix.rows; ++r) {
    if (!row_is_finite(matrix.type, matrix.row(r), matrix.cols)) return r;
  }
  return std::nullopt;
}

}  // namespace kvwave::kernels
