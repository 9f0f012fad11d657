// Which instruction set the CPU kernels use. The program is built for baseline x86-64; wider paths are chosen at run
// time, once, and can be lowered for tests with the environment variable KVWAVE_SIMD=baseline|avx2|avx512.
#pragma once

#include <string_view>

namespace kvwave::kernels {

enum class SimdPath { baseline = 0, avx2 = 1, avx512 = 2 };  // avx2 means AVX2+FMA+F16C; avx512 means F+BW+VL+DQ
std::string_view to_string(SimdPath path);

/// The best path this CPU supports.
SimdPath best_simd_path();
/// The path in use: best_simd_path(), lowered by KVWAVE_SIMD or by set_simd_path(). Throws Error when KVWAVE_SIMD holds
/// another word or asks for what the CPU lacks.
SimdPath simd_path();
/// For parity tests: use this path from now on. Throws Error when the CPU lacks it.
void set_simd_path(SimdPath path);

}  // namespace kvwave::kernels
