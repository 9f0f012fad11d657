#include "kernels/cuda_launch.cuh"
#include "kernels/rkv_batch.cuh"

namespace kvwave::kernels {

namespace {

constexpr std::uint32_t kRankThreads = 256;

// A slot's rank is the number of slots that go before it: larger scores, and equal ones in lower slots. Grid:
// selections x blocks of slots; all other scores pass through shared memory.
__global__ void __launch_bounds__(kRankThreads)
    select_top_kernel(const float* score, const Selection* selection, std::uint32_t* order) {
  __shared__ float other[kRankThreads];
  const Selection part = selection[blockIdx.x];
  const float* const scores = score + part.first_score;
  const std::uint32_t first = blockIdx.y * kRankThreads;
  if (first >= part.n_scores) return;
  const std::uint32_t slot = first + threadIdx.x;
  const bool valid = slot < part.n_scores;
  const float mine = valid ? scores[slot] : 0.0F;
  std::uint32_t rank = 0;
  for (std::uint32_t begin = 0; begin < part.n_scores; begin += kRankThreads) {
    const std::uint32_t n = min(kRankThreads, part.n_scores - begin);
    __syncthreads();
    if (threadIdx.x < n) other[threadIdx.x] = scores[begin + threadIdx.x];
    __syncthreads();
    for (std::uint32_t i = 0; i < n; ++i) {
      rank += other[i] > mine || (other[i] == mine && begin + i < slot) ? 1U : 0U;
    }
  }
  if (valid && rank < part.n_kept) order[part.first_out + rank] = slot;
}

}  // namespace

void select_top_cuda(const float* score, const Selection* selection, std::uint32_t n_selections,
                     std::uint32_t max_scores, std::uint32_t* order, cudaStream_t stream) {
  if (n_selections == 0 || max_scores == 0) return;
  const dim3 grid(n_selections, ceil_div(max_scores, kRankThreads));
  launch(select_top_kernel, {grid, kRankThreads}, stream, score, selection, order);
}

}  // namespace kvwave::kernels
