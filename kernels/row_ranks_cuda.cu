#include <cmath>

#include "kernels/cuda_launch.cuh"
#include "kernels/row_evaluation.cuh"
#include "kernels/span_rows.cuh"

namespace kvwave::kernels {

namespace {

constexpr std::uint32_t kDigitBits = 8;
constexpr std::uint32_t kDigits = 1U << kDigitBits;

struct RowSearch {
  std::uint32_t prefix;     // leading bits of the k-th largest value found so far
  std::uint32_t n_greater;  // entries greater than everything with that prefix
};

// Radix selection over the bits of the probabilities (non-negative floats order as their bits do), eight bits a pass,
// the row recomputed in each. Grid: spans x ranks.
__global__ void __launch_bounds__(kTileThreads) row_ranks_kernel(EvaluationRows rows, RowRanks ranks, float scale) {
  __shared__ DotStage stage;
  __shared__ std::uint32_t histogram[kTileRows][kDigits + 1];
  __shared__ RowSearch search[kTileRows];
  const RowSpan span = rows.span[blockIdx.x];
  const std::uint32_t length = span_length(span);
  const std::size_t of_rank = static_cast<std::size_t>(blockIdx.y) * rows.n_rows;
  const CornerRows corner = load_corner_rows(rows, span);
  if (threadIdx.x < kTileRows) search[threadIdx.x] = RowSearch{0, 0};
  __syncthreads();

  for (std::uint32_t shift = 32 - kDigitBits;; shift -= kDigitBits) {
    for (std::uint32_t i = threadIdx.x; i < kTileRows * (kDigits + 1); i += kTileThreads) (&histogram[0][0])[i] = 0;
    for (std::uint32_t first_key = 0; first_key < length; first_key += kTileKeys) {
      float dot[kThreadSide][kThreadSide];
      span_dots(rows, span, first_key, stage, dot);
#pragma unroll
      for (std::uint32_t r = 0; r < kThreadSide; ++r) {
        const std::uint32_t row = corner_row() + r;
        // The first pass has no prefix yet, and a shift by 32 bits is undefined.
        const std::uint32_t above = shift + kDigitBits;
#pragma unroll
        for (std::uint32_t j = 0; j < kThreadSide; ++j) {
          const std::uint32_t key = first_key + corner_key() + j;
          if (row >= span.n_rows || key > corner.position[r]) continue;
          const std::uint32_t bits = __float_as_uint(attn_prob(dot[r][j], scale, corner, r, key));
          if (above == 32 || bits >> above == search[row].prefix >> above) {
            atomicAdd(&histogram[row][bits >> shift & (kDigits - 1)], 1U);
          }
        }
      }
    }
    __syncthreads();
    if (threadIdx.x < span.n_rows) {
      RowSearch at = search[threadIdx.x];
      const std::uint32_t k = ranks.count[of_rank + row_index(rows, span, threadIdx.x)];
      std::uint32_t digit = kDigits - 1;
      while (digit > 0 && at.n_greater + histogram[threadIdx.x][digit] < k) {
        at.n_greater += histogram[threadIdx.x][digit];
        --digit;
      }
      at.prefix |= digit << shift;
      search[threadIdx.x] = at;
    }
    __syncthreads();
    if (shift == 0) break;
  }
  if (threadIdx.x < span.n_rows) {
    const std::size_t index = of_rank + row_index(rows, span, threadIdx.x);
    ranks.value[index] = __uint_as_float(search[threadIdx.x].prefix);
    ranks.n_greater[index] = search[threadIdx.x].n_greater;
  }
}

}  // namespace

void row_ranks_cuda(const EvaluationRows& rows, const RowRanks& ranks, cudaStream_t stream) {
  if (rows.n_spans == 0 || ranks.n_ranks == 0) return;
  const float scale = 1.0F / std::sqrt(static_cast<float>(rows.head_dim));
  launch(row_ranks_kernel, {dim3(rows.n_spans, ranks.n_ranks), kTileThreads}, stream, rows, ranks, scale);
}

}  // namespace kvwave::kernels
