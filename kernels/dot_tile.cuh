// Dot products of 32 rows with 64 keys by one block of 128 threads: the shared inner loop of the replay kernels. Rows
// and keys are staged through shared memory 32 channels at a time, each thread forms a 4 x 4 corner.
//
// Every dot product is summed channel by channel in ascending order. With DotOrder::separate the product is rounded
// before it is added, as key_panels.h does on the CPU: the bits are the CPU's, so what a policy decides does not depend
// on the device. DotOrder::fused rounds once per channel: faster and closer to the exact value.
#pragma once

#include <cstdint>
#include <cuda_runtime.h>

namespace kvwave::kernels {
namespace {

constexpr std::uint32_t kTileThreads = 128;
constexpr std::uint32_t kTileRows = 32;
constexpr std::uint32_t kTileKeys = 64;
constexpr std::uint32_t kTileChannels = 32;
constexpr std::uint32_t kThreadSide = 4;  // rows and keys per thread
constexpr std::uint32_t kKeyThreads = kTileKeys / kThreadSide;

enum class DotOrder { separate, fused };

// Shared memory of one block. Lines are padded to keep float4 alignment and spread banks.
struct alignas(16) DotStage {
  float row[kTileChannels][kTileRows + 4];
  float key[kTileChannels][kTileKeys + 4];
};

/// First row and first key of the calling thread's corner.
__device__ __forceinline__ std::uint32_t corner_row() {
  return threadIdx.x / kKeyThreads * kThreadSide;
}
__device__ __forceinline__ std::uint32_t corner_key() {
  return threadIdx.x % kKeyThreads * kThreadSide;
}

template <DotOrder kOrder>
__device__ __forceinline__ float multiply_add(float a, float b, float sum) {
  if constexpr (kOrder == DotOrder::separate) {
    return __fadd_rn(sum, __fmul_rn(a, b));
  } else {
    return fmaf(a, b, sum);
  }
}

// Copies channels [first, first + kTileChannels) of kCount vectors into lines [channel][vector], zeros where there is
// no vector (null) and beyond head_dim, which is a multiple of 4.
template <std::uint32_t kCount, class VectorAt>
__device__ __forceinline__ void stage_channels(float (*line)[kCount + 4], std::uint32_t first, std::uint32_t head_dim,
                                               const VectorAt& vector_at) {
  constexpr std::uint32_t kQuads = kTileChannels / 4;
  const std::uint32_t channel = threadIdx.x % kQuads * 4;
  for (std::uint32_t i = threadIdx.x / kQuads; i < kCount; i += kTileThreads / kQuads) {
    const float* const vector = vector_at(i);
    float4 x = make_float4(0.0F, 0.0F, 0.0F, 0.0F);
    if (vector != nullptr && first + channel < head_dim) {
      x = __ldg(reinterpret_cast<const float4*>(vector + first + channel));
    }
    line[channel][i] = x.x;
    line[channel + 1][i] = x.y;
    line[channel + 2][i] = x.z;
    line[channel + 3][i] = x.w;
  }
}

/// dot[r][j] = row (corner_row() + r) . key (corner_key() + j). row_at(i), i < kTileRows, and key_at(j), j < kTileKeys,
/// give 16-byte aligned device pointers, or null for a vector of zeros. All threads of the block call it together; it
/// starts with a barrier, so shared memory written before it may be read by row_at and key_at.
template <DotOrder kOrder, class RowAt, class KeyAt>
__device__ __forceinline__ void dot_tile(DotStage& stage, std::uint32_t head_dim, const RowAt& row_at,
                                         const KeyAt& key_at, float (&dot)[kThreadSide][kThreadSide]) {
#pragma unroll
  for (std::uint32_t r = 0; r < kThreadSide; ++r) {
#pragma unroll
    for (std::uint32_t j = 0; j < kThreadSide; ++j) dot[r][j] = 0.0F;
  }
  for (std::uint32_t first = 0; first < head_dim; first += kTileChannels) {
    __syncthreads();  // the stage may still be read
    stage_channels<kTileRows>(stage.row, first, head_dim, row_at);
    stage_channels<kTileKeys>(stage.key, first, head_dim, key_at);
    __syncthreads();
    const std::uint32_t n = head_dim - first < kTileChannels ? head_dim - first : kTileChannels;
#pragma unroll 4
    for (std::uint32_t c = 0; c < n; ++c) {
      const float4 a = *reinterpret_cast<const float4*>(&stage.row[c][corner_row()]);
      const float4 b = *reinterpret_cast<const float4*>(&stage.key[c][corner_key()]);
      const float x[kThreadSide] = {a.x, a.y, a.z, a.w};
      const float y[kThreadSide] = {b.x, b.y, b.z, b.w};
#pragma unroll
      for (std::uint32_t r = 0; r < kThreadSide; ++r) {
#pragma unroll
        for (std::uint32_t j = 0; j < kThreadSide; ++j) dot[r][j] = multiply_add<kOrder>(x[r], y[j], dot[r][j]);
      }
    }
  }
}

}  // namespace
}  // namespace kvwave::kernels
