#include <cassert>

#include "kernels/cpu_features.h"
#include "kernels/output_distance.h"
#include "kernels/output_distance_paths.h"

namespace kvwave::kernels {

void distance_parts_baseline(const float* start, float sign, const float* part, float scale, const float* reference,
                             std::uint32_t width, float* sums) {
  float total[16] = {};
  for (std::uint32_t c = 0; c < width; c += 16) {
    for (std::uint32_t i = 0; i < 16; ++i) {
      const float difference = scale * (start[c + i] + sign * part[c + i]) - reference[c + i];
      total[i] += difference * difference;
    }
  }
  for (std::uint32_t i = 0; i < 16; ++i) sums[i] = total[i];
}

void square_distances(std::span<const float> start, float sign, std::span<const float> part,
                      std::span<const float> scale, std::span<const float> reference, std::uint32_t width,
                      std::span<float> distance) {
  assert(width % 16 == 0 && start.size() == distance.size() * width && part.size() == start.size());
  assert(reference.size() == start.size() && scale.size() == distance.size());
  const SimdPath path = simd_path();
  const auto parts = path == SimdPath::avx512 ? distance_parts_avx512
                     : path == SimdPath::avx2 ? distance_parts_avx2
                                              : distance_parts_baseline;
  for (std::size_t lane = 0; lane < distance.size(); ++lane) {
    float sums[16];
    parts(start.data() + lane * width, sign, part.data() + lane * width, scale[lane], reference.data() + lane * width,
          width, sums);
    float total = 0;
    for (const float sum : sums) total += sum;
    distance[lane] = total;
  }
}

}  // namespace kvwave::kernels
