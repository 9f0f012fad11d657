#include <cmath>
#include <type_traits>

#include "kernels/cuda_launch.cuh"
#include "kernels/row_evaluation.cuh"
#include "kernels/span_rows.cuh"
#include "kernels/weighted_tile.cuh"

namespace kvwave::kernels {

namespace {

constexpr std::uint32_t kMassRows = kTileRows * kMaxEvaluationConfigs / kTileThreads;  // rows per thread
constexpr std::uint32_t kHalfConfigs = kMaxEvaluationConfigs / 2;

// Which configurations see each key of the tile, as two half words.
using VisibleTile = std::uint32_t[kTileKeys][2];

// The recalled words of each row: those of its top-k, in any order, because they are only counted.
struct RecallList {
  std::uint64_t word[kTileRows][kMaxRecallCount];
  std::uint32_t n[kTileRows];
  std::uint32_t ties_left[kTileRows];
  float value[kTileRows];
};

__device__ __forceinline__ std::uint64_t visible_word(const VisibleTile& visible, std::uint32_t j) {
  return visible[j][0] | static_cast<std::uint64_t>(visible[j][1]) << kHalfConfigs;
}

// Two threads build one word, 32 configurations each.
__device__ __forceinline__ void build_words(const EvaluationRows& rows, const EvaluationConfigs& configs,
                                            const RowSpan& span, std::uint32_t kv_head, std::uint32_t first_key,
                                            VisibleTile& visible) {
  const std::uint32_t key = first_key + threadIdx.x % kTileKeys;
  const std::uint32_t half = threadIdx.x / kTileKeys;
  const std::uint32_t first = half * kHalfConfigs;
  const auto step = static_cast<std::int32_t>(span.first_position - rows.n_prompt);
  const std::size_t per_config = static_cast<std::size_t>(rows.n_kv_heads) * rows.n_positions;
  const std::int32_t* const evicted_at =
      configs.evicted_at + static_cast<std::size_t>(kv_head) * rows.n_positions + key;
  std::uint32_t bits = 0;
  if (key < span_length(span)) {
    for (std::uint32_t c = 0; c < kHalfConfigs && first + c < configs.n_configs; ++c) {
      bits |= (__ldg(evicted_at + (first + c) * per_config) > step ? 1U : 0U) << c;
    }
  }
  visible[threadIdx.x % kTileKeys][half] = bits;
}

// Thread t owns configuration t mod 64 and half of the rows. Sums of a tile are fp32, sums of tiles fp64.
__device__ __forceinline__ void add_mass(const ProbTile& prob, const VisibleTile& visible, double (&mass)[kMassRows]) {
  const std::uint32_t config = threadIdx.x % kMaxEvaluationConfigs;
  const std::uint32_t first_row = threadIdx.x / kMaxEvaluationConfigs * kMassRows;
  float part[kMassRows] = {};
  for (std::uint32_t j = 0; j < kTileKeys; ++j) {
    const std::uint32_t bits = visible[j][config / kHalfConfigs];  // the same in all lanes of a warp
    if (bits == 0) continue;
    const bool sees = (bits >> config % kHalfConfigs & 1U) != 0;
#pragma unroll
    for (std::uint32_t r = 0; r < kMassRows; r += 4) {
      const float4 p = *reinterpret_cast<const float4*>(&prob.line[j][first_row + r]);
      part[r] += sees ? p.x : 0.0F;
      part[r + 1] += sees ? p.y : 0.0F;
      part[r + 2] += sees ? p.z : 0.0F;
      part[r + 3] += sees ? p.w : 0.0F;
    }
  }
#pragma unroll
  for (std::uint32_t r = 0; r < kMassRows; ++r) mass[r] += static_cast<double>(part[r]);
}

__device__ __forceinline__ void start_recall(const EvaluationRows& rows, const RowSpan& span, const RowRanks& recall,
                                             RecallList& list) {
  const std::uint32_t r = threadIdx.x;
  if (r >= kTileRows) return;
  list.n[r] = 0;
  list.ties_left[r] = 0;
  list.value[r] = 2.0F;  // above every probability
  if (recall.n_ranks == 0 || r >= span.n_rows) return;
  const std::size_t index = row_index(rows, span, r);
  const std::uint32_t length = span.first_position + r + 1;
  list.ties_left[r] = min(recall.count[index], length) - recall.n_greater[index];
  list.value[r] = recall.value[index];
}

// Entries above the k-th largest go to the list at once. Entries equal to it count in the order of their positions, so
// one thread per row looks for them, in the few tiles that have any.
__device__ __forceinline__ void add_recall(const ProbTile& prob, const VisibleTile& visible, const RowSpan& span,
                                           std::uint32_t first_key, RecallList& list) {
  bool tie = false;
  for_corner(span, first_key, [&](std::uint32_t row, std::uint32_t key) {
    const float p = prob.line[key][row];
    if (p > list.value[row]) {
      const std::uint32_t at = atomicAdd(&list.n[row], 1U);
      if (at < kMaxRecallCount) list.word[row][at] = visible_word(visible, key);  // always: fewer than k are greater
    }
    tie = tie || p == list.value[row];
  });
  if (__syncthreads_or(tie) == 0) return;
  if (threadIdx.x >= span.n_rows) return;
  const std::uint32_t row = threadIdx.x;
  for (std::uint32_t key = 0; key < kTileKeys && list.ties_left[row] > 0; ++key) {
    if (first_key + key > span.first_position + row) break;
    if (prob.line[key][row] != list.value[row]) continue;
    list.word[row][list.n[row]++] = visible_word(visible, key);
    --list.ties_left[row];
  }
}

__device__ __forceinline__ void mark_needed(const EvaluationRows& rows, const RowSpan& span, const ProbTile& prob,
                                            std::uint32_t first_key, std::uint32_t kv_head,
                                            const RetainedResults& results) {
  std::int32_t* const last = results.last_needed + static_cast<std::size_t>(kv_head) * rows.n_positions + first_key;
  const auto first_step = static_cast<std::int32_t>(span.first_position - rows.n_prompt);
  for_corner(span, first_key, [&](std::uint32_t row, std::uint32_t key) {
    if (prob.line[key][row] > results.needed_share) atomicMax(&last[key], first_step + static_cast<std::int32_t>(row));
  });
}

__device__ __forceinline__ void write_mass(const EvaluationRows& rows, const RowSpan& span,
                                           const EvaluationConfigs& configs, const double (&mass)[kMassRows],
                                           const RecallList& list, const RetainedResults& results) {
  const std::uint32_t config = threadIdx.x % kMaxEvaluationConfigs;
  if (config >= configs.n_configs) return;
#pragma unroll
  for (std::uint32_t r = 0; r < kMassRows; ++r) {
    const std::uint32_t row = threadIdx.x / kMaxEvaluationConfigs * kMassRows + r;
    if (row >= span.n_rows) continue;
    const std::size_t index = row_index(rows, span, row) * configs.n_configs + config;
    results.mass[index] = static_cast<float>(mass[r]);
    if (results.n_recalled == nullptr) continue;
    std::uint32_t n = 0;
    for (std::uint32_t i = 0; i < list.n[row]; ++i) n += static_cast<std::uint32_t>(list.word[row][i] >> config & 1U);
    results.n_recalled[index] = n;
  }
}

template <std::uint32_t kQuads>
__device__ __forceinline__ void write_output(const EvaluationRows& rows, const RowSpan& span,
                                             const OutputCorner<kQuads>& output, const RetainedResults& results) {
#pragma unroll
  for (std::uint32_t r = 0; r < kThreadSide; ++r) {
    const std::uint32_t row = corner_row() + r;
    const float square = square_distance(output, r, 1.0F, nullptr, rows.head_dim);
    if (row >= span.n_rows) continue;
    const std::size_t index = row_index(rows, span, row);
    if (corner_key() == 0) results.output_square[index] = square;
#pragma unroll
    for (std::uint32_t quad = 0; quad < kQuads; ++quad) {
      const std::uint32_t channel = corner_channel(quad);
      const float* const sum = output.sum[r][quad];
      if (channel < rows.head_dim) {
        *reinterpret_cast<float4*>(results.output + index * rows.head_dim + channel) =
            make_float4(sum[0], sum[1], sum[2], sum[3]);
      }
    }
  }
}

template <std::uint32_t kQuads>
__global__ void __launch_bounds__(kTileThreads)
    retained_mass_kernel(EvaluationRows rows, EvaluationConfigs configs, RowRanks recall, RetainedResults results,
                         float scale) {
  __shared__ DotStage stage;
  __shared__ ProbTile prob;
  __shared__ VisibleTile visible;
  __shared__ RecallList list;
  const RowSpan span = rows.span[blockIdx.x];
  const std::uint32_t kv_head = kv_head_of(rows, span);
  const std::uint32_t length = span_length(span);
  const CornerRows corner = load_corner_rows(rows, span);
  double mass[kMassRows] = {};
  OutputCorner<kQuads> output;
  start_recall(rows, span, recall, list);

  for (std::uint32_t first_key = 0; first_key < length; first_key += kTileKeys) {
    float dot[kThreadSide][kThreadSide];
    span_dots(rows, span, first_key, stage, dot);
    store_probs(
        dot, scale, corner, [&](std::uint32_t key) { return first_key + key; }, prob);
    build_words(rows, configs, span, kv_head, first_key, visible);
    __syncthreads();
    if (results.last_needed != nullptr) mark_needed(rows, span, prob, first_key, kv_head, results);
    add_mass(prob, visible, mass);
    if (results.n_recalled != nullptr) add_recall(prob, visible, span, first_key, list);
    if (results.output != nullptr) {
      add_values(output, prob, rows, kv_head, first_key, min(kTileKeys, length - first_key));
    }
  }
  __syncthreads();
  write_mass(rows, span, configs, mass, list, results);
  if (results.output != nullptr) write_output(rows, span, output, results);
}

}  // namespace

void retained_mass_cuda(const EvaluationRows& rows, const EvaluationConfigs& configs, const RowRanks& recall,
                        const RetainedResults& results, cudaStream_t stream) {
  if (rows.n_spans == 0) return;
  const float scale = 1.0F / std::sqrt(static_cast<float>(rows.head_dim));
  with_channel_quads(rows.head_dim, [&](auto quads) {
    launch(retained_mass_kernel<decltype(quads)::value>, {rows.n_spans, kTileThreads}, stream, rows, configs, recall,
           results, scale);
  });
}

}  // namespace kvwave::kernels
