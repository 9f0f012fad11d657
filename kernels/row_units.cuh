// Exact sums of probabilities on the device, in the units of row_stats_sums.h.
#pragma once

#include <cuda_runtime.h>

#include "kernels/row_stats_passes.h"

namespace kvwave::kernels {
namespace {

using Units = unsigned long long;  // multiples of 2^-42

constexpr unsigned kTwo = 0x40000000U;  // bits of 2.0: all that is no probability lies at or above

__device__ __forceinline__ Units units_of(unsigned bits) {
  return static_cast<Units>(static_cast<long long>(__uint_as_float(bits) * kSumScale));
}
__device__ __forceinline__ float mass_of(Units units) {
  return static_cast<float>(static_cast<double>(units) / static_cast<double>(kSumScale));
}

}  // namespace
}  // namespace kvwave::kernels
