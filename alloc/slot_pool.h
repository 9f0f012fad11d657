// Private to alloc: pooling of scores over neighbouring slots, stride 1.
#pragma once

#include <cstdint>
#include <span>

namespace kvwave::alloc {

/// kernel: odd. Zeros beyond both ends are counted: every sum is divided by `kernel`.
void average_pool(std::span<const double> value, std::uint32_t kernel, std::span<float> out);
/// Only neighbours that exist count.
void max_pool(std::span<const double> value, std::uint32_t kernel, std::span<float> out);

}  // namespace kvwave::alloc
