// What one thread's vector units can do at most.
#pragma once

namespace kvwave::bench {

/// Fused multiplications and additions on registers alone (baseline: multiplications and additions), in fp32 operations
/// per second, on the instruction set that kernels run on; the best of many short runs.
double simd_peak_flops();

}  // namespace kvwave::bench
