// In a build without CUDA there is no device to measure.
#include "kernels/error.h"
#include "tests/bench/device_bandwidth.h"

namespace kvwave::bench {

Bandwidth device_bandwidth(int, std::uint64_t) {
  throw kernels::DeviceUnavailable("this program was built without CUDA");
}
std::uint64_t free_device_bytes(int) {
  throw kernels::DeviceUnavailable("this program was built without CUDA");
}

}  // namespace kvwave::bench
