// Attention outputs of the rows of a span, accumulated key by key: thread t adds up rows corner_row() .. + 3 and
// channels 4 (t mod 16) .. + 3 of every 64.
#pragma once

#include <cstdint>
#include <cuda_runtime.h>
#include <type_traits>

#include "kernels/cuda_reduce.cuh"
#include "kernels/span_rows.cuh"

namespace kvwave::kernels {
namespace {

constexpr std::uint32_t kQuadChannels = 64;  // channels that the 16 threads of a row hold together, four each

/// kQuads * 64 channels at least; those beyond head_dim stay 0.
template <std::uint32_t kQuads>
struct OutputCorner {
  float sum[kThreadSide][kQuads][4] = {};
};

__device__ __forceinline__ std::uint32_t corner_channel(std::uint32_t quad) {
  return quad * kQuadChannels + threadIdx.x % kKeyThreads * 4;
}

/// This thread's rows of line j.
__device__ __forceinline__ float4 probs_of(const ProbTile& prob, std::uint32_t j) {
  return *reinterpret_cast<const float4*>(&prob.line[j][corner_row()]);
}

__device__ __forceinline__ float4 channels_of(const float* vector, std::uint32_t quad, std::uint32_t head_dim) {
  const std::uint32_t channel = corner_channel(quad);
  if (channel >= head_dim) return make_float4(0.0F, 0.0F, 0.0F, 0.0F);
  return __ldg(reinterpret_cast<const float4*>(vector + channel));
}

/// sum[r] += p[r] * v for one quad of channels.
template <std::uint32_t kQuads>
__device__ __forceinline__ void add_weighted(OutputCorner<kQuads>& output, std::uint32_t quad, const float4& prob,
                                             const float4& value) {
  const float p[kThreadSide] = {prob.x, prob.y, prob.z, prob.w};
#pragma unroll
  for (std::uint32_t r = 0; r < kThreadSide; ++r) {
    float* const sum = output.sum[r][quad];
    sum[0] = fmaf(p[r], value.x, sum[0]);
    sum[1] = fmaf(p[r], value.y, sum[1]);
    sum[2] = fmaf(p[r], value.z, sum[2]);
    sum[3] = fmaf(p[r], value.w, sum[3]);
  }
}

/// Adds the first n_keys keys of a tile that starts at position first_key.
template <std::uint32_t kQuads>
__device__ __forceinline__ void add_values(OutputCorner<kQuads>& output, const ProbTile& prob,
                                           const EvaluationRows& rows, std::uint32_t kv_head, std::uint32_t first_key,
                                           std::uint32_t n_keys) {
  for (std::uint32_t j = 0; j < n_keys; ++j) {
    const float4 p = probs_of(prob, j);
    const float* const value = line_of(rows.v, rows, kv_head, first_key + j);
#pragma unroll
    for (std::uint32_t quad = 0; quad < kQuads; ++quad) {
      add_weighted(output, quad, p, channels_of(value, quad, rows.head_dim));
    }
  }
}

/// |scale * sum - reference|^2 of row corner_row() + r, known to all threads of the row; reference null = 0.
template <std::uint32_t kQuads>
__device__ __forceinline__ float square_distance(const OutputCorner<kQuads>& output, std::uint32_t r, float scale,
                                                 const float* reference, std::uint32_t head_dim) {
  float part = 0;
#pragma unroll
  for (std::uint32_t quad = 0; quad < kQuads; ++quad) {
    float4 other = make_float4(0.0F, 0.0F, 0.0F, 0.0F);
    if (reference != nullptr) other = channels_of(reference, quad, head_dim);
    const float* const sum = output.sum[r][quad];
    const float difference[4] = {scale * sum[0] - other.x, scale * sum[1] - other.y, scale * sum[2] - other.z,
                                 scale * sum[3] - other.w};
#pragma unroll
    for (std::uint32_t i = 0; i < 4; ++i) part = fmaf(difference[i], difference[i], part);
  }
  return warp_reduce(part, Sum{}, kKeyThreads);
}

__device__ __forceinline__ float inverse_or_zero(float mass) {
  return mass > 0.0F ? 1.0F / mass : 0.0F;
}

}  // namespace

/// Calls launcher(std::integral_constant) with the number of 64-channel groups that hold head_dim channels.
template <class Launcher>
void with_channel_quads(std::uint32_t head_dim, const Launcher& launcher) {
  if (head_dim <= 64) {
    launcher(std::integral_constant<std::uint32_t, 1>());
  } else if (head_dim <= 128) {
    launcher(std::integral_constant<std::uint32_t, 2>());
  } else {
    launcher(std::integral_constant<std::uint32_t, 4>());
  }
}

}  // namespace kvwave::kernels
