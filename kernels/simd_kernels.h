// The table of vectorised kernels behind gemv.h, decode_attention.h and transformer_ops.h, one per SIMD path. Plain
// function pointers on raw memory, because the files that fill the wide tables may share no inline code with others.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kvwave::kernels {

constexpr std::size_t kFormatCount = 15;     // of ParamType
constexpr std::size_t kKvTypeCount = 2;      // of KvType
constexpr std::size_t kKvPage = 64;          // positions of one page of the KV cache
constexpr std::size_t kMatmulRows = 32;      // rows that matmul takes at once
constexpr std::size_t kMatmulScratch = 512;  // so many sums of the widest vector
constexpr std::size_t kTilePositions = 3;    // positions of one tile of matmul
constexpr std::size_t kTileRun = 16;         // values of one position that lie together in a tile

struct SimdKernels {
  /// out[r] = row r . x for n_rows rows of n_values values that lie stride bytes apart.
  using Gemv = void (*)(const std::uint8_t* rows, std::size_t stride, std::size_t n_rows, const float* x,
                        std::size_t n_values, float* out);
  /// out[p * out_stride + r] = row r . x[p] for n_rows rows and n_positions positions; adds in the order of Gemv.
  /// `tiles` are the whole runs of values of x as [tile][run][kTilePositions][kTileRun]; `scratch` holds
  /// kMatmulScratch floats for each position of them.
  using Matmul = void (*)(const std::uint8_t* rows, std::size_t stride, std::size_t n_rows, const float* tiles,
                          const float* x, std::size_t x_stride, std::size_t n_positions, std::size_t n_values,
                          float* out, std::size_t out_stride, float* scratch);
  /// scores[h * stride + i] = scale * q[h] . key i, for the first n keys of a page [d][kKvPage]; may write the scores
  /// of the whole page. q is [n_heads, d].
  using Score = void (*)(const std::uint8_t* keys, const float* q, std::size_t n_heads, std::size_t d, std::size_t n,
                         float scale, float* scores, std::size_t stride);
  /// out[h] += sum over i < n of probs[h * stride + i] * value i, for a page of values that lie `pitch` values apart;
  /// pitch is d rounded up to 16. out is [n_heads, d].
  using Accumulate = void (*)(const std::uint8_t* values, std::size_t pitch, const float* probs, std::size_t stride,
                              std::size_t n_heads, std::size_t d, std::size_t n, float* out);
  /// In place. The row has room for n rounded up to kKvPage and is filled up with zeros. NaN or an infinite score makes
  /// the whole row NaN. Probabilities below e^-87 of the largest become 0.
  using Softmax = void (*)(float* row, std::size_t n);
  /// gate[i] = gate[i] / (1 + exp(-gate[i])) * up[i].
  using Swiglu = void (*)(float* gate, const float* up, std::size_t n);

  Gemv gemv[kFormatCount];  // by ParamType
  Matmul matmul[kFormatCount];
  Score score[kKvTypeCount];  // by KvType
  Accumulate accumulate[kKvTypeCount];
  Softmax softmax;
  Swiglu swiglu;
};

extern const SimdKernels kSimdKernelsBaseline;
extern const SimdKernels kSimdKernelsAvx2;
extern const SimdKernels kSimdKernelsAvx512;

/// Those of simd_path().
const SimdKernels& simd_kernels();

}  // namespace kvwave::kernels
