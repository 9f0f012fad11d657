#include <cmath>

#include "kernels/cuda_launch.cuh"
#include "kernels/row_evaluation.cuh"
#include "kernels/span_rows.cuh"
#include "kernels/weighted_tile.cuh"

namespace kvwave::kernels {

namespace {

constexpr std::uint32_t kMassParts = kTileThreads / kTileRows;  // threads that add up one row
constexpr std::uint32_t kPartKeys = kTileKeys / kMassParts;

// The k-th largest value of each row and how many entries equal to it still belong to the top-k.
struct RowCut {
  float value[kTileRows];
  std::uint32_t ties_left[kTileRows];
};

__device__ __forceinline__ void start_cut(const EvaluationRows& rows, const RowSpan& span, const RowRanks& ranks,
                                          std::size_t of_rank, RowCut& cut) {
  const std::uint32_t r = threadIdx.x;
  if (r >= kTileRows) return;
  cut.value[r] = 0.0F;
  cut.ties_left[r] = 0;
  if (r >= span.n_rows) return;
  const std::size_t index = of_rank + row_index(rows, span, r);
  cut.value[r] = ranks.value[index];
  cut.ties_left[r] = min(ranks.count[index], span.first_position + r + 1) - ranks.n_greater[index];
}

// Sets entries outside the top-k to 0. Ties are resolved position by position, in the few tiles that have any.
__device__ __forceinline__ void keep_top(const RowSpan& span, std::uint32_t first_key, RowCut& cut, ProbTile& prob) {
  bool tie = false;
  for_corner(span, first_key, [&](std::uint32_t row, std::uint32_t key) {
    float& p = prob.line[key][row];
    if (p < cut.value[row]) p = 0.0F;
    tie = tie || (p > 0.0F && p == cut.value[row]);
  });
  if (__syncthreads_or(tie) != 0 && threadIdx.x < span.n_rows) {
    const std::uint32_t row = threadIdx.x;
    for (std::uint32_t key = 0; key < kTileKeys; ++key) {
      float& p = prob.line[key][row];
      if (p != cut.value[row]) continue;
      if (cut.ties_left[row] > 0) {
        --cut.ties_left[row];
      } else {
        p = 0.0F;
      }
    }
  }
  __syncthreads();
}

// Grid: spans x ranks.
template <std::uint32_t kQuads>
__global__ void __launch_bounds__(kTileThreads)
    ceilings_kernel(EvaluationRows rows, RowRanks ranks, const float* full_output, float* mass, float* error_square,
                    float scale) {
  __shared__ DotStage stage;
  __shared__ ProbTile prob;
  __shared__ RowCut cut;
  __shared__ double part_mass[kMassParts][kTileRows];
  const RowSpan span = rows.span[blockIdx.x];
  const std::size_t of_rank = static_cast<std::size_t>(blockIdx.y) * rows.n_rows;
  const std::uint32_t kv_head = kv_head_of(rows, span);
  const std::uint32_t length = span_length(span);
  const CornerRows corner = load_corner_rows(rows, span);
  OutputCorner<kQuads> output;
  start_cut(rows, span, ranks, of_rank, cut);

  const std::uint32_t mass_row = threadIdx.x % kTileRows;
  const std::uint32_t part = threadIdx.x / kTileRows;
  double total = 0;
  for (std::uint32_t first_key = 0; first_key < length; first_key += kTileKeys) {
    float dot[kThreadSide][kThreadSide];
    span_dots(rows, span, first_key, stage, dot);
    store_probs(
        dot, scale, corner, [&](std::uint32_t key) { return first_key + key; }, prob);
    keep_top(span, first_key, cut, prob);
    float sum = 0;
    for (std::uint32_t key = part * kPartKeys; key < (part + 1) * kPartKeys; ++key) sum += prob.line[key][mass_row];
    total += static_cast<double>(sum);
    if (error_square != nullptr) {
      add_values(output, prob, rows, kv_head, first_key, min(kTileKeys, length - first_key));
    }
  }
  part_mass[part][mass_row] = total;
  __syncthreads();
  const auto mass_of = [&](std::uint32_t row) {
    double sum = 0;
    for (std::uint32_t i = 0; i < kMassParts; ++i) sum += part_mass[i][row];
    return static_cast<float>(sum);
  };
  if (threadIdx.x < span.n_rows) mass[of_rank + row_index(rows, span, threadIdx.x)] = mass_of(threadIdx.x);
  if (error_square == nullptr) return;
#pragma unroll
  for (std::uint32_t r = 0; r < kThreadSide; ++r) {
    const std::uint32_t row = corner_row() + r;
    const bool valid = row < span.n_rows;
    const std::size_t index = row_index(rows, span, valid ? row : 0);
    const float square =
        square_distance(output, r, inverse_or_zero(mass_of(row)), full_output + index * rows.head_dim, rows.head_dim);
    if (valid && corner_key() == 0) error_square[of_rank + index] = square;
  }
}

}  // namespace

void ceilings_cuda(const EvaluationRows& rows, const RowRanks& ranks, const float* output, float* mass,
                   float* error_square, cudaStream_t stream) {
  if (rows.n_spans == 0 || ranks.n_ranks == 0) return;
  const float scale = 1.0F / std::sqrt(static_cast<float>(rows.head_dim));
  with_channel_quads(rows.head_dim, [&](auto quads) {
    launch(ceilings_kernel<decltype(quads)::value>, {dim3(rows.n_spans, ranks.n_ranks), kTileThreads}, stream, rows,
           ranks, output, mass, error_square, scale);
  });
}

}  // namespace kvwave::kernels
