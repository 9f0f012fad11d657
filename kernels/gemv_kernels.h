// The table of matrix kernels of one SIMD path. Plain function pointers on raw memory, because the files that fill the
// wide tables may share no inline code with others.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kvwave::kernels {

constexpr std::size_t kParamTypeCount = 11;  // of ParamType

struct GemvKernels {
  /// out[r] = row r . x for n_rows rows of n_values values that lie stride bytes apart.
  using Gemv = void (*)(const std::uint8_t* rows, std::size_t stride, std::size_t n_rows, const float* x,
                        std::size_t n_values, float* out);
  /// Expands one row.
  using Expand = void (*)(const std::uint8_t* row, std::size_t n_values, float* out);
  /// out[p * out_stride + r] = w[r] . x[p] for fp32 rows w and x; the additions of each dot product come in the order
  /// of gemv.
  using Multiply = void (*)(const float* w, std::size_t w_stride, std::size_t n_rows, const float* x,
                            std::size_t x_stride, std::size_t n_positions, std::size_t n_values, float* out,
                            std::size_t out_stride);

  Gemv gemv[kParamTypeCount];  // by ParamType
  Expand expand[kParamTypeCount];
  Multiply multiply;
};

extern const GemvKernels kGemvBaseline;
extern const GemvKernels kGemvAvx2;
extern const GemvKernels kGemvAvx512;

}  // namespace kvwave::kernels
