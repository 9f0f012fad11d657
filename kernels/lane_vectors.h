// The compiler's vector types at the width of the instruction set a file is compiled for. Passes built on them work on
// sixteen lanes whatever that width is, so that every path adds in the same order and gives the same bits. Include only
// from files that hold one instruction set's version of a pass.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kvwave::kernels {
namespace {

#if defined(__AVX512F__)
constexpr std::size_t kVectorBytes = 64;
#elif defined(__AVX2__)
constexpr std::size_t kVectorBytes = 32;
#else
constexpr std::size_t kVectorBytes = 16;
#endif
constexpr std::size_t kLanes = 16;
constexpr std::size_t kWidth = kVectorBytes / sizeof(float);
constexpr std::size_t kVectors = kLanes / kWidth;  // registers that together hold the sixteen lanes

using Floats = float __attribute__((vector_size(kVectorBytes)));
using Ints = std::int32_t __attribute__((vector_size(kVectorBytes)));
using Words = std::uint16_t __attribute__((vector_size(kVectorBytes / 2)));
using HalfFloats = float __attribute__((vector_size(kVectorBytes / 2)));
using Doubles = double __attribute__((vector_size(kVectorBytes)));  // as many as HalfFloats

}  // namespace
}  // namespace kvwave::kernels
