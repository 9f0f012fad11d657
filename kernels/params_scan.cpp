// Finds parameters that are not numbers before they poison a run.
#include <algorithm>
#include <cstring>
#include <system_error>
#include <thread>
#include <vector>

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

// Whether any of n neighbouring fields of T has all exponent bits set. Without an early exit and with a flag as wide as
// a field, so that the compiler can use vectors.
template <typename T>
bool any_non_finite(const std::byte* p, std::size_t n, std::uint32_t exponent_bits) {
  const auto exponent = static_cast<T>(exponent_bits);
  T found = 0;
  for (std::size_t i = 0; i < n; ++i) {
    T bits;
    std::memcpy(&bits, p + i * sizeof bits, sizeof bits);
    found = static_cast<T>(found | static_cast<T>((bits & exponent) == exponent ? ~T{0} : T{0}));
  }
  return found != 0;
}

bool any_field_non_finite(const std::byte* p, std::size_t n, std::size_t stride) {
  bool found = false;
  for (std::size_t i = 0; i < n; ++i) found |= any_non_finite<std::uint16_t>(p + i * stride, 1, kHalfExponent);
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
      return !any_non_finite<std::uint32_t>(row, cols, kFloatExponent);
    case ParamType::f16:
      return !any_non_finite<std::uint16_t>(row, cols, kHalfExponent);
    case ParamType::bf16:
      return !any_non_finite<std::uint16_t>(row, cols, kBfloatExponent);
    case ParamType::mxfp4:
      return mxfp4_is_finite(row, cols / block_values(type));
    default:
      break;
  }
  const HalfFields fields = half_fields(type);
  const std::size_t blocks = cols / block_values(type);
  for (std::size_t field = 0; field < fields.count; ++field) {
    const std::byte* first = row + fields.offset + field * sizeof(std::uint16_t);
    if (any_field_non_finite(first, blocks, block_bytes(type))) return false;
  }
  return true;
}

std::optional<std::size_t> first_in(const ParamMatrix& matrix, std::size_t begin, std::size_t end) {
  for (std::size_t r = begin; r < end; ++r) {
    if (!row_is_finite(matrix.type, matrix.row(r), matrix.cols)) return r;
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::size_t> first_non_finite_row(const ParamMatrix& matrix) {
  constexpr std::size_t kBytesOfAThread = std::size_t{16} << 20;  // less is read sooner than a thread starts
  const std::size_t wanted =
      std::min<std::size_t>(matrix.bytes() / kBytesOfAThread, std::thread::hardware_concurrency());
  const std::size_t n_threads = std::max<std::size_t>(1, wanted);
  std::vector<std::optional<std::size_t>> found(n_threads);
  {
    std::vector<std::jthread> threads;
    const auto share = [&](std::size_t i) { return matrix.rows * i / n_threads; };
    for (std::size_t i = 1; i < n_threads; ++i) {
      const auto search = [&, i] { found[i] = first_in(matrix, share(i), share(i + 1)); };
      try {
        threads.emplace_back(search);
      } catch (const std::system_error&) {  // the system gives no more threads
        search();
      }
    }
    found[0] = first_in(matrix, 0, share(1));
  }
  for (const auto& row : found) {
    if (row) return row;
  }
  return std::nullopt;
}

}  // namespace kvwave::kernels
