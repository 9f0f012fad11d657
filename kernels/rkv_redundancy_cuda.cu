#include "kernels/cuda_launch.cuh"
#include "kernels/cuda_reduce.cuh"
#include "kernels/dot_tile.cuh"
#include "kernels/rkv_batch.cuh"

namespace kvwave::kernels {

namespace {

constexpr std::uint32_t kUnitThreads = 128;
constexpr std::uint32_t kSoftmaxThreads = 256;
constexpr std::uint32_t kNone = 0xFFFFFFFFU;

// One thread per key, channels in ascending order: products of two floats are exact in fp64, so the sum has the CPU's
// bits whether or not the compiler fuses it.
__global__ void __launch_bounds__(kUnitThreads)
    unit_keys_kernel(const float* key, std::uint32_t n, std::uint32_t head_dim, float* unit) {
  const std::uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  const std::size_t start = static_cast<std::size_t>(i) * head_dim;
  double square = 0;
  for (std::uint32_t c = 0; c < head_dim; ++c) {
    const double x = static_cast<double>(key[start + c]);
    square += x * x;
  }
  const double inverse = 1.0 / (sqrt(square) + 1e-8);
  for (std::uint32_t c = 0; c < head_dim; ++c) {
    unit[start + c] = static_cast<float>(static_cast<double>(key[start + c]) * inverse);
  }
}

__device__ __forceinline__ const float* unit_at(const RkvBatch& batch, const RkvCache& cache, std::uint32_t slot) {
  return cache.unit + static_cast<std::size_t>(batch.position[cache.first_slot + slot]) * batch.key_stride;
}

// The newest near-duplicate of 32 residents, searched tile by tile from the newest slot until all are found. Grid:
// caches x row tiles.
__global__ void __launch_bounds__(kTileThreads) near_duplicates_kernel(RkvBatch batch) {
  __shared__ DotStage stage;
  __shared__ std::uint32_t found[kTileRows];
  const RkvCache cache = batch.cache[blockIdx.x];
  const std::uint32_t n = cache.n_residents;
  const std::uint32_t first_row = blockIdx.y * kTileRows;
  if (first_row >= n) return;
  if (threadIdx.x < kTileRows) found[threadIdx.x] = first_row + threadIdx.x < n ? kNone : 0;
  std::uint32_t* const retained = batch.retained + cache.first_slot;
  float* const cosine = batch.retained_cosine + cache.first_slot;

  const auto row_at = [&](std::uint32_t r) -> const float* {
    return first_row + r < n ? unit_at(batch, cache, first_row + r) : nullptr;
  };
  for (std::uint32_t tile = (n + kTileKeys - 1) / kTileKeys; tile-- > 0;) {
    const std::uint32_t first_key = tile * kTileKeys;
    const auto key_at = [&](std::uint32_t j) -> const float* {
      return first_key + j < n ? unit_at(batch, cache, first_key + j) : nullptr;
    };
    float dot[kThreadSide][kThreadSide];
    dot_tile<DotOrder::separate>(stage, batch.head_dim, row_at, key_at, dot);
#pragma unroll
    for (std::uint32_t r = 0; r < kThreadSide; ++r) {
      const std::uint32_t row = first_row + corner_row() + r;
      // Slot + 1 of the newest near-duplicate in this thread's corner, then over the lanes that share the row.
      std::uint32_t newest = 0;
#pragma unroll
      for (std::uint32_t j = 0; j < kThreadSide; ++j) {
        const std::uint32_t slot = first_key + corner_key() + j;
        if (slot < n && slot != row && dot[r][j] > cache.similarity_threshold) newest = slot + 1;
      }
      newest = warp_reduce(newest, Max{}, kKeyThreads);
      if (row < n && found[row - first_row] == kNone) {
        const std::uint32_t slot = newest > 0 ? newest - 1 : 0;  // none at all: column 0 loses this row's cosine
        const std::uint32_t corner = first_key + corner_key();
        if ((newest > 0 || tile == 0) && slot >= corner && slot < corner + kThreadSide) {
          float value = 0;
#pragma unroll
          for (std::uint32_t j = 0; j < kThreadSide; ++j) value = slot == corner + j ? dot[r][j] : value;
          retained[row] = slot;
          cosine[row] = slot == row ? 0.0F : value;
        }
      }
      __syncwarp();  // all lanes of the row have read `found`
      if (newest > 0 && row < n && corner_key() == 0 && found[row - first_row] == kNone) {
        found[row - first_row] = newest - 1;
      }
    }
    __syncthreads();
    if (__syncthreads_and(found[threadIdx.x % kTileRows] != kNone)) break;
  }
}

// Column means of the cosines without the exempted ones, and their softmax. One block per cache. The columns come from
// the sum of all unit keys; nothing here looks at pairs but the list of exemptions.
__global__ void __launch_bounds__(kSoftmaxThreads) column_softmax_kernel(RkvBatch batch) {
  __shared__ double key_sum[kMaxBatchHeadDim];
  const RkvCache cache = batch.cache[blockIdx.x];
  const std::uint32_t n = cache.n_residents;
  if (n == 0) return;
  double* const column = batch.sum + cache.first_slot;
  const std::uint32_t* const retained = batch.retained + cache.first_slot;
  const float* const cosine = batch.retained_cosine + cache.first_slot;
  for (std::uint32_t c = threadIdx.x; c < batch.head_dim; c += blockDim.x) {
    double sum = 0;
    for (std::uint32_t slot = 0; slot < n; ++slot) sum += static_cast<double>(unit_at(batch, cache, slot)[c]);
    key_sum[c] = sum;
  }
  __syncthreads();
  const std::uint32_t lane = threadIdx.x % 32;
  for (std::uint32_t j = threadIdx.x / 32; j < n; j += blockDim.x / 32) {
    const float* const unit = unit_at(batch, cache, j);
    double total = 0;
    for (std::uint32_t c = lane; c < batch.head_dim; c += 32) {
      const double u = static_cast<double>(unit[c]);
      total += u * (key_sum[c] - u);
    }
    total = warp_reduce(total, Sum{});
    if (lane == 0) column[j] = total;
  }
  __syncthreads();

  double top = -1e300;
  for (std::uint32_t j = threadIdx.x; j < n; j += blockDim.x) {
    double total = column[j];
    for (std::uint32_t row = 0; row < n; ++row) {
      if (retained[row] == j) total -= static_cast<double>(cosine[row]);
    }
    column[j] = total / n;
    top = Max{}(top, column[j]);
  }
  top = block_reduce(top, Max{}, -1e300);
  double sum = 0;
  for (std::uint32_t j = threadIdx.x; j < n; j += blockDim.x) {
    column[j] = exp(column[j] - top);
    sum += column[j];
  }
  sum = block_reduce(sum, Sum{}, 0.0);
  for (std::uint32_t j = threadIdx.x; j < n; j += blockDim.x) {
    batch.redundancy[cache.first_slot + j] = static_cast<float>(column[j] / sum);
  }
}

}  // namespace

void unit_keys_cuda(const float* key, std::uint32_t n, std::uint32_t head_dim, float* unit, cudaStream_t stream) {
  if (n == 0) return;
  launch(unit_keys_kernel, {ceil_div(n, kUnitThreads), kUnitThreads}, stream, key, n, head_dim, unit);
}

void rkv_redundancy_cuda(const RkvBatch& batch, cudaStream_t stream) {
  if (batch.n_caches == 0 || batch.max_residents == 0) return;
  const dim3 grid(batch.n_caches, ceil_div(batch.max_residents, kTileRows));
  launch(near_duplicates_kernel, {grid, kTileThreads}, stream, batch);
  launch(column_softmax_kernel, {batch.n_caches, kSoftmaxThreads}, stream, batch);
}

}  // namespace kvwave::kernels
