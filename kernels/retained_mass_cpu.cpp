#include <algorithm>
#include <cassert>

#include "kernels/cpu_features.h"
#include "kernels/retained_mass.h"
#include "kernels/retained_mass_paths.h"

namespace kvwave::kernels {

namespace {

constexpr std::size_t kRun = 128;

using MassRun = void (*)(const float*, std::size_t, std::uint32_t, const std::uint64_t*, std::uint32_t, std::uint32_t,
                         float*);

MassRun mass_run() {
  switch (simd_path()) {
    case SimdPath::avx512:
      return mass_run_avx512;
    case SimdPath::avx2:
      return mass_run_avx2;
    case SimdPath::baseline:
      break;
  }
  return mass_run_baseline;
}

}  // namespace

void mass_run_baseline(const float* prob, std::size_t stride, std::uint32_t n_lanes, const std::uint64_t* visible,
                       std::uint32_t n, std::uint32_t n_groups, float* sum) {
  for (std::uint32_t lane = 0; lane < n_lanes; ++lane) {
    float* const total = sum + lane * kWordConfigs;
    std::fill(total, total + n_groups * 16, 0.0F);
    for (std::uint32_t i = 0; i < n; ++i) {
      const float p = prob[i * stride + lane];
      for (std::uint32_t c = 0; c < n_groups * 16; ++c) total[c] += (visible[i] >> c & 1U) != 0 ? p : 0.0F;
    }
  }
}

void retained_mass(const float* prob, std::size_t stride, std::uint32_t n_lanes, std::span<const std::uint64_t> visible,
                   std::uint32_t n_configs, std::span<double> mass) {
  assert(n_configs <= kWordConfigs && mass.size() == std::size_t{n_lanes} * kWordConfigs);
  const std::uint32_t n_groups = (n_configs + 15) / 16;
  const MassRun run = mass_run();
  std::fill(mass.begin(), mass.end(), 0.0);
  float sum[kMassLanes * kWordConfigs];
  for (std::uint32_t lane = 0; lane < n_lanes; lane += kMassLanes) {
    const std::uint32_t lanes = std::min(kMassLanes, n_lanes - lane);
    for (std::size_t begin = 0; begin < visible.size(); begin += kRun) {
      const auto n = static_cast<std::uint32_t>(std::min(kRun, visible.size() - begin));
      run(prob + begin * stride + lane, stride, lanes, visible.data() + begin, n, n_groups, sum);
      for (std::uint32_t l = 0; l < lanes; ++l) {
        double* const to = mass.data() + std::size_t{lane + l} * kWordConfigs;
        for (std::uint32_t c = 0; c < n_groups * 16; ++c) to[c] += sum[l * kWordConfigs + c];
      }
    }
  }
}

}  // namespace kvwave::kernels
