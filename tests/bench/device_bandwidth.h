// How fast memory can be read and copied: what the decode figures are divided by.
#pragma once

#include <cstdint>

namespace kvwave::bench {

/// Bytes per second; a copy counts what it reads and what it writes.
struct Bandwidth {
  double read = 0, copy = 0;
};

/// Best of ten passes over `bytes` of device memory by plain 16-byte loads and stores. Throws
/// kernels::DeviceUnavailable in a build without CUDA.
Bandwidth device_bandwidth(int device, std::uint64_t bytes);
/// The same for `threads` threads over the host's memory.
Bandwidth host_bandwidth(unsigned threads, std::uint64_t bytes);

/// Free memory of a device, the CUDA context of this process made first.
std::uint64_t free_device_bytes(int device);

}  // namespace kvwave::bench
