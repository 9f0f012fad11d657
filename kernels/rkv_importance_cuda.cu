#include "kernels/cuda_launch.cuh"
#include "kernels/cuda_reduce.cuh"
#include "kernels/dot_tile.cuh"
#include "kernels/rkv_batch.cuh"

namespace kvwave::kernels {

namespace {

constexpr std::uint32_t kSoftmaxThreads = 256;

// logit[i][j] of LOGIT-MAX. A block takes as many whole groups as fit in a tile of rows, so that the maximum over the
// group never leaves the block. Grid: caches x key tiles x query tiles.
__global__ void __launch_bounds__(kTileThreads) group_max_logits_kernel(RkvBatch batch, float scale) {
  __shared__ DotStage stage;
  __shared__ float logit[kTileRows][kTileKeys + 1];
  const RkvCache cache = batch.cache[blockIdx.x];
  const std::uint32_t queries_per_tile = kTileRows / batch.group;
  const std::uint32_t first_query = blockIdx.z * queries_per_tile;
  const std::uint32_t first_key = blockIdx.y * kTileKeys;
  if (first_query >= cache.n_queries || first_key >= cache.n_candidates) return;
  const std::uint32_t n_queries = min(queries_per_tile, cache.n_queries - first_query);
  const std::uint32_t n_keys = min(kTileKeys, cache.n_candidates - first_key);

  const auto query_at = [&](std::uint32_t row) -> const float* {
    const std::uint32_t query = row / batch.group;
    if (query >= n_queries) return nullptr;
    return cache.query + static_cast<std::size_t>(first_query + query) * batch.query_stride +
           row % batch.group * batch.head_dim;
  };
  const auto key_at = [&](std::uint32_t j) -> const float* {
    if (j >= n_keys) return nullptr;
    return cache.key + static_cast<std::size_t>(batch.position[cache.first_slot + first_key + j]) * batch.key_stride;
  };
  float dot[kThreadSide][kThreadSide];
  dot_tile<DotOrder::separate>(stage, batch.head_dim, query_at, key_at, dot);
#pragma unroll
  for (std::uint32_t r = 0; r < kThreadSide; ++r) {
#pragma unroll
    for (std::uint32_t j = 0; j < kThreadSide; ++j) {
      logit[corner_row() + r][corner_key() + j] = __fmul_rn(dot[r][j], scale);
    }
  }
  __syncthreads();
  float* const out = batch.logit + static_cast<std::size_t>(cache.first_slot) * batch.max_queries;
  for (std::uint32_t at = threadIdx.x; at < n_queries * kTileKeys; at += blockDim.x) {
    const std::uint32_t query = at / kTileKeys;
    const std::uint32_t j = at % kTileKeys;
    if (j >= n_keys) continue;
    float top = logit[query * batch.group][j];
    for (std::uint32_t g = 1; g < batch.group; ++g) top = fmaxf(top, logit[query * batch.group + g][j]);
    out[static_cast<std::size_t>(first_query + query) * cache.n_candidates + first_key + j] = top;
  }
}

__device__ float round_bf16(float value) {
  const std::uint32_t bits = __float_as_uint(value);
  return __uint_as_float((bits + 0x7FFFU + ((bits >> 16) & 1U)) & 0xFFFF0000U);
}

// Softmax of each query's line, mean over the queries, max pool. One block per cache; a column of the logits belongs to
// one thread until it is pooled.
__global__ void __launch_bounds__(kSoftmaxThreads) pooled_softmax_kernel(RkvBatch batch) {
  const RkvCache cache = batch.cache[blockIdx.x];
  const std::uint32_t m = cache.n_candidates;
  if (m == 0) return;
  float* const logit = batch.logit + static_cast<std::size_t>(cache.first_slot) * batch.max_queries;
  double* const mean = batch.sum + cache.first_slot;
  for (std::uint32_t j = threadIdx.x; j < m; j += blockDim.x) mean[j] = 0;
  for (std::uint32_t i = 0; i < cache.n_queries; ++i) {
    float* const line = logit + static_cast<std::size_t>(i) * m;
    float top = line[0];
    for (std::uint32_t j = threadIdx.x; j < m; j += blockDim.x) top = fmaxf(top, line[j]);
    top = block_reduce(top, Max{}, -INFINITY);
    double sum = 0;
    for (std::uint32_t j = threadIdx.x; j < m; j += blockDim.x) {
      line[j] = expf(line[j] - top);
      sum += static_cast<double>(line[j]);
    }
    sum = block_reduce(sum, Sum{}, 0.0);
    const double share = 1.0 / (sum * cache.n_queries);
    for (std::uint32_t j = threadIdx.x; j < m; j += blockDim.x) mean[j] += static_cast<double>(line[j]) * share;
  }

  float* const pooled_from = logit;  // its lines are used up
  for (std::uint32_t j = threadIdx.x; j < m; j += blockDim.x) {
    const float a = static_cast<float>(mean[j]);
    pooled_from[j] = cache.round_bf16 ? round_bf16(a) : a;
  }
  __syncthreads();
  const std::uint32_t reach = cache.pool_kernel / 2;
  for (std::uint32_t j = threadIdx.x; j < m; j += blockDim.x) {
    const std::uint32_t begin = j - min(j, reach);
    const std::uint32_t end = reach >= m - 1 - j ? m : j + reach + 1;
    float top = pooled_from[begin];
    for (std::uint32_t at = begin + 1; at < end; ++at) top = fmaxf(top, pooled_from[at]);
    batch.importance[cache.first_slot + j] = top;
  }
}

}  // namespace

void rkv_importance_cuda(const RkvBatch& batch, cudaStream_t stream) {
  if (batch.n_caches == 0 || batch.max_residents == 0) return;
  const std::uint32_t queries_per_tile = kTileRows / batch.group;
  const dim3 grid(batch.n_caches, ceil_div(batch.max_residents, kTileKeys),
                  ceil_div(batch.max_queries, queries_per_tile));
  const float scale = 1.0F / std::sqrt(static_cast<float>(batch.head_dim));
  launch(group_max_logits_kernel, {grid, kTileThreads}, stream, batch, scale);
  launch(pooled_softmax_kernel, {batch.n_caches, kSoftmaxThreads}, stream, batch);
}

}  // namespace kvwave::kernels
