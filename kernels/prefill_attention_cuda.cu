#include <cmath>
#include <type_traits>

#include "kernels/cache_vector.cuh"
#include "kernels/cuda_reduce.cuh"
#include "kernels/prefill_attention_cuda.cuh"
#include "kernels/tensor_core.cuh"

namespace kvwave::kernels {
namespace {

constexpr unsigned kThreads = 128;
constexpr unsigned kTileQueries = kThreads / kWarp * kMmaRows;  // a warp has 16 of them

/// kDim: head_dim rounded up to what registers are laid out for; components beyond head_dim are zero.
template <unsigned kDim>
struct Tile {
  static constexpr unsigned kKeys = kDim <= 128 ? 32 : 16;
  static constexpr unsigned kLine = kDim + 4;  // the rows of a fragment lie in different banks
  static constexpr std::size_t kBytes = sizeof(float) * (kTileQueries + 2 * kKeys) * kLine;
};

/// Copies n of kLines lines of d values to shared memory, zeros beyond.
template <unsigned kDim, class T>
__device__ __forceinline__ void stage_lines(const T* from, unsigned n, unsigned n_lines, unsigned d, float* to) {
  constexpr unsigned kValues = CacheVector<T>::kValues;
  constexpr unsigned kVectors = kDim / kValues;
  for (unsigned i = threadIdx.x; i < n_lines * kVectors; i += kThreads) {
    const unsigned line = i / kVectors;
    const unsigned column = i % kVectors * kValues;
    float values[kValues] = {};
    if (line < n && column < d) CacheVector<T>::load(from + std::size_t{line} * d + column, values);
#pragma unroll
    for (unsigned k = 0; k < kValues; k += 4) {
      *reinterpret_cast<float4*>(to + line * Tile<kDim>::kLine + column + k) =
          make_float4(values[k], values[k + 1], values[k + 2], values[k + 3]);
    }
  }
}

/// Running softmax of the two rows whose fragments this lane holds parts of.
struct RowState {
  float largest = -INFINITY;
  float sum = 0;  // of this lane's columns
};

/// Takes the logits in; returns what earlier sums and outputs are to be multiplied with. Logits become exponentials.
template <unsigned kTiles>
__device__ __forceinline__ float take_logits(float (&logit)[kTiles][4], unsigned first, RowState& row) {
  float largest = row.largest;
#pragma unroll
  for (unsigned j = 0; j < kTiles; ++j) largest = fmaxf(largest, fmaxf(logit[j][first], logit[j][first + 1]));
  largest = warp_reduce(largest, Max{}, 4);
  const bool any = largest != -INFINITY;
  const float rescale = any ? expf(row.largest - largest) : 1.0F;
  float sum = 0;
#pragma unroll
  for (unsigned j = 0; j < kTiles; ++j) {
#pragma unroll
    for (unsigned i = first; i < first + 2; ++i) {
      logit[j][i] = any ? expf(logit[j][i] - largest) : 0.0F;
      sum += logit[j][i];
    }
  }
  row.sum = row.sum * rescale + sum;
  row.largest = largest;
  return rescale;
}

/// Grid: (tiles of queries, q_heads). The last tile first: it takes longest.
template <class T, unsigned kDim>
__global__ void __launch_bounds__(kThreads)
    prefill_attention_kernel(PrefillAttentionTask task, const StepInput* input, unsigned n_positions, float scale) {
  constexpr bool kExact = std::is_same_v<T, __half>;
  constexpr unsigned kKeys = Tile<kDim>::kKeys, kLine = Tile<kDim>::kLine;
  constexpr unsigned kKeyTiles = kKeys / kMmaColumns, kOutTiles = kDim / kMmaColumns;
  float* q_tile = dynamic_shared<float>();
  float* k_tile = q_tile + kTileQueries * kLine;
  float* v_tile = k_tile + kKeys * kLine;
  const unsigned d = task.head_dim;
  const unsigned first_query = (gridDim.x - 1 - blockIdx.x) * kTileQueries;
  const unsigned q_head = blockIdx.y;
  const unsigned n_queries = min(kTileQueries, n_positions - first_query);
  const unsigned group = mma_group(), member = mma_member();
  const unsigned warp_row = threadIdx.x / kWarp * kMmaRows;
  const unsigned first_position = input->first + first_query;  // of the tile
  const unsigned n_keys = first_position + n_queries;

  for (unsigned i = threadIdx.x; i < kTileQueries * kDim / 4; i += kThreads) {
    const unsigned query = i / (kDim / 4);
    const unsigned column = i % (kDim / 4) * 4;
    float4 q{0, 0, 0, 0};
    if (query < n_queries && column < d) {
      q = *reinterpret_cast<const float4*>(task.q + std::size_t{first_query + query} * task.stride + q_head * d +
                                           column);
    }
    *reinterpret_cast<float4*>(q_tile + query * kLine + column) = q;
  }
  const std::size_t cache = std::size_t{q_head / (task.n_q_heads / task.n_kv_heads)} * task.max_positions * d;
  const T* keys = static_cast<const T*>(task.k_cache) + cache;
  const T* values = static_cast<const T*>(task.v_cache) + cache;

  RowState state[2];
  float out[kOutTiles][4] = {};
  for (unsigned first_key = 0; first_key < n_keys; first_key += kKeys) {
    __syncthreads();  // the previous tile is no longer read
    const unsigned n = min(kKeys, n_keys - first_key);
    stage_lines<kDim>(keys + std::size_t{first_key} * d, n, kKeys, d, k_tile);
    stage_lines<kDim>(values + std::size_t{first_key} * d, n, kKeys, d, v_tile);
    __syncthreads();
    if (warp_row >= n_queries) continue;  // the whole warp: none of its queries exists

    float logit[kKeyTiles][4] = {};
    const float* q = q_tile + (warp_row + group) * kLine + member;
    const float* k = k_tile + group * kLine + member;
    for (unsigned first = 0; first < kDim; first += kPromotedDepth) {
      float sum[kKeyTiles][4] = {};
#pragma unroll
      for (unsigned c = first; c < first + kPromotedDepth; c += kMmaDepth) {
        FragmentA<kExact> a;
        a.set(0, q[c]);
        a.set(1, q[8 * kLine + c]);
        a.set(2, q[c + 4]);
        a.set(3, q[8 * kLine + c + 4]);
#pragma unroll
        for (unsigned j = 0; j < kKeyTiles; ++j) {
          FragmentB<kExact> b;
          b.set(0, k[j * kMmaColumns * kLine + c]);
          b.set(1, k[j * kMmaColumns * kLine + c + 4]);
          multiply(sum[j], a, b);
        }
      }
#pragma unroll
      for (unsigned j = 0; j < kKeyTiles; ++j) add_rounded(logit[j], sum[j]);
    }
#pragma unroll
    for (unsigned j = 0; j < kKeyTiles; ++j) {
#pragma unroll
      for (unsigned i = 0; i < 4; ++i) {
        const unsigned key = first_key + j * kMmaColumns + member * 2 + i % 2;
        const unsigned position = first_position + warp_row + group + i / 2 * 8;
        logit[j][i] = key <= position && key < n_keys ? logit[j][i] * scale : -INFINITY;
      }
    }
    const float rescale[2] = {take_logits(logit, 0, state[0]), take_logits(logit, 2, state[1])};

    // What C holds of the exponentials is what A takes, if A's column t is key 2 t and column t + 4 key 2 t + 1.
#pragma unroll
    for (unsigned n_tile = 0; n_tile < kOutTiles; ++n_tile) {
      float sum[4] = {};
      const float* v = v_tile + member * 2 * kLine + n_tile * kMmaColumns + group;
#pragma unroll
      for (unsigned j = 0; j < kKeyTiles; ++j) {
        FragmentA<false> a;
        a.set(0, logit[j][0]);
        a.set(1, logit[j][2]);
        a.set(2, logit[j][1]);
        a.set(3, logit[j][3]);
        FragmentB<kExact> b;
        b.set(0, v[j * kMmaColumns * kLine]);
        b.set(1, v[(j * kMmaColumns + 1) * kLine]);
        multiply(sum, a, b);
      }
#pragma unroll
      for (unsigned i = 0; i < 4; ++i) out[n_tile][i] = out[n_tile][i] * rescale[i / 2] + sum[i];
    }
  }

  const float total[2] = {warp_reduce(state[0].sum, Sum{}, 4), warp_reduce(state[1].sum, Sum{}, 4)};
#pragma unroll
  for (unsigned n_tile = 0; n_tile < kOutTiles; ++n_tile) {
#pragma unroll
    for (unsigned i = 0; i < 4; ++i) {
      const unsigned query = warp_row + group + i / 2 * 8;
      const unsigned column = n_tile * kMmaColumns + member * 2 + i % 2;
      if (query >= n_queries || column >= d) continue;
      task.out[std::size_t{first_query + query} * task.stride + q_head * d + column] = out[n_tile][i] / total[i / 2];
    }
  }
}

template <class T, unsigned kDim>
void launch_tiles(const PrefillAttentionTask& task, const StepInput* input, unsigned n_positions, cudaStream_t stream) {
  const float scale = 1.0F / sqrtf(static_cast<float>(task.head_dim));
  launch(prefill_attention_kernel<T, kDim>,
         {dim3(ceil_div(n_positions, kTileQueries), task.n_q_heads), kThreads, Tile<kDim>::kBytes}, stream, task, input,
         n_positions, scale);
}

template <class T>
void launch_type(const PrefillAttentionTask& task, const StepInput* input, unsigned n_positions, cudaStream_t stream) {
  if (task.head_dim <= 64) {
    launch_tiles<T, 64>(task, input, n_positions, stream);
  } else if (task.head_dim <= 128) {
    launch_tiles<T, 128>(task, input, n_positions, stream);
  } else {
    launch_tiles<T, 256>(task, input, n_positions, stream);
  }
}

}  // namespace

void prefill_attention_cuda(const PrefillAttentionTask& task, const StepInput* input, unsigned n_positions,
                            cudaStream_t stream) {
  if (task.type == KvType::f16) {
    launch_type<__half>(task, input, n_positions, stream);
  } else {
    launch_type<float>(task, input, n_positions, stream);
  }
}

}  // namespace kvwave::kernels
