// Private to traces/: the part of half_float.cpp that needs the F16C instructions; compiled for them alone.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kvwave::traces {

/// False in builds for other processors and on processors without F16C; then widen_halves_f16c must not be called.
bool has_f16c();
/// widen_halves for the first count - count % 8 values; returns how many that was.
std::size_t widen_halves_f16c(const std::uint16_t* in, std::size_t count, float* out);

}  // namespace kvwave::traces
