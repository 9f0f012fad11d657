// Model parameters as the file stores them: plain or block-quantised rows. Layouts follow GGUF v3.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace kvwave::kernels {

enum class ParamType : std::uint8_t {
  f32,
  f16,
  bf16,
  q4_0,
  q4_1,
  q5_0,
  q5_1,
  q8_0,
  q4_k,
  q5_k,
  q6_k,
  q2_k,
  q3_k,
  iq4_nl,
  mxfp4
};
constexpr std::size_t kParamTypeCount = 15;

std::string_view to_string(ParamType type);  ///< "F32", "Q4_1", ...
std::size_t block_values(ParamType type);    ///< values per block: 1, 32 or 256
std::size_t block_bytes(ParamType type);     ///< bytes per block
/// Whether the CUDA kernels read it. The rarer types Q2_K, Q3_K, IQ4_NL and MXFP4 are decoded on the CPU only.
bool runs_on_cuda(ParamType type);
/// Bytes of one row of `cols` values; cols must be a multiple of block_values(type).
std::size_t row_bytes(ParamType type, std::size_t cols);

/// A row-major matrix view over parameters, rows contiguous: y = W x has rows outputs and cols inputs.
struct ParamMatrix {
  const std::byte* data = nullptr;  ///< may be unaligned
  ParamType type = ParamType::f32;
  std::uint32_t rows = 0;
  std::uint32_t cols = 0;

  std::size_t row_stride() const { return row_bytes(type, cols); }
  std::size_t bytes() const { return row_stride() * rows; }
  const std::byte* row(std::size_t r) const { return data + r * row_stride(); }
};

/// Expands one row to fp32, exactly as the format defines (the reference for every kernel). out.size() = cols.
void dequantise_row(ParamType type, const std::byte* row, std::span<float> out);

/// The first row that would expand to NaN or infinity: a block's scale or minimum is not finite (MXFP4: NaN, or so
/// large that a value may overflow), or for the plain types a value is not. nullopt when there is none. Reads the whole
/// matrix once.
std::optional<std::size_t> first_non_finite_row(const ParamMatrix& matrix);

}  // namespace kvwave::kernels
