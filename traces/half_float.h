// Private to traces/: IEEE half precision to single, exactly, for arrays as they come out of a file.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kvwave::traces {

/// out[i] = in[i] for every half, subnormals, infinities and NaN included. The arrays must not overlap.
void widen_halves(const std::uint16_t* in, std::size_t count, float* out);

}  // namespace kvwave::traces
