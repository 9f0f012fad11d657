#include <algorithm>
#include <cassert>

#include "kernels/cpu_features.h"
#include "kernels/weighted_values.h"
#include "kernels/weighted_values_paths.h"

namespace kvwave::kernels {

void weighted_values_baseline(const float* prob, std::size_t stride, std::uint32_t n_lanes,
                              const std::uint32_t* position, std::size_t n, const float* value, std::uint32_t width,
                              float* out) {
  std::fill(out, out + std::size_t{n_lanes} * width, 0.0F);
  for (std::size_t k = 0; k < n; ++k) {
    const float* const v = value + position[k] * std::size_t{width};
    for (std::uint32_t lane = 0; lane < n_lanes; ++lane) {
      const float p = prob[position[k] * stride + lane];
      for (std::uint32_t c = 0; c < width; ++c) out[std::size_t{lane} * width + c] += p * v[c];
    }
  }
}

void weighted_values(const float* prob, std::size_t stride, std::uint32_t n_lanes,
                     std::span<const std::uint32_t> position, std::span<const float> value, std::uint32_t width,
                     std::span<float> out) {
  assert(width % kValuePad == 0 && out.size() == std::size_t{n_lanes} * width);
  switch (simd_path()) {
    case SimdPath::avx512:
      return weighted_values_avx512(prob, stride, n_lanes, position.data(), position.size(), value.data(), width,
                                    out.data());
    case SimdPath::avx2:
      return weighted_values_avx2(prob, stride, n_lanes, position.data(), position.size(), value.data(), width,
                                  out.data());
    case SimdPath::baseline:
      return weighted_values_baseline(prob, stride, n_lanes, position.data(), position.size(), value.data(), width,
                                      out.data());
  }
}

}  // namespace kvwave::kernels
