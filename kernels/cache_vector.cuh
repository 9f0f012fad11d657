// 16 bytes of the KV cache as floats.
#pragma once

#include <cuda_fp16.h>
#include <cuda_runtime.h>

namespace kvwave::kernels {
namespace {

template <class T>
struct CacheVector;
template <>
struct CacheVector<__half> {
  static constexpr unsigned kValues = 8;
  __device__ __forceinline__ static void load(const __half* p, float (&out)[kValues]) {
    const uint4 raw = __ldg(reinterpret_cast<const uint4*>(p));
    const unsigned words[4] = {raw.x, raw.y, raw.z, raw.w};
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      out[i] = __half2float(__ushort_as_half(static_cast<unsigned short>(words[i / 2] >> (16 * (i % 2)))));
    }
  }
};
template <>
struct CacheVector<float> {
  static constexpr unsigned kValues = 4;
  __device__ __forceinline__ static void load(const float* p, float (&out)[kValues]) {
    const float4 raw = __ldg(reinterpret_cast<const float4*>(p));
    out[0] = raw.x;
    out[1] = raw.y;
    out[2] = raw.z;
    out[3] = raw.w;
  }
};

}  // namespace
}  // namespace kvwave::kernels
