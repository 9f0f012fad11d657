// What is made of the CUDA driver's answers: the list of devices with the reason why one, or all, cannot be used. Apart
// from the asking, so that every reason can be tested on any machine.
#pragma once

#include <string>
#include <vector>

#include "kernels/device.h"

namespace kvwave::kernels {

/// How the driver answered the question for devices.
enum class DriverAnswer { devices, built_without_cuda, insufficient_driver, no_device, failure };

struct DriverAnswers {
  DriverAnswer answer = DriverAnswer::devices;
  std::string failure;                          ///< with `failure`: the driver's words
  int driver_version = 0, runtime_version = 0;  ///< as in DeviceList
  /// The lowest compute capability that the program holds machine code for, times ten.
  int oldest_capability = 0;
  /// why_unusable is set where the properties of a device could not be read.
  std::vector<CudaDevice> devices;
};

DeviceList describe_devices(DriverAnswers answers);

}  // namespace kvwave::kernels
