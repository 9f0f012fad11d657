#include "kernels/device_answers.h"

#include <utility>

#include <fmt/format.h>

namespace kvwave::kernels {
namespace {

std::string version_text(int version) {
  return fmt::format("{}.{}", version / 1000, version % 1000 / 10);
}

std::string why_none(const DriverAnswers& answers) {
  switch (answers.answer) {
    case DriverAnswer::devices:
      return answers.devices.empty() ? "the driver finds no CUDA device" : "";
    case DriverAnswer::built_without_cuda:
      return "this program was built without CUDA";
    case DriverAnswer::insufficient_driver:
      if (answers.driver_version == 0) return "no NVIDIA driver is installed";
      return fmt::format("the NVIDIA driver is too old: it knows CUDA {}, this program needs {}",
                         version_text(answers.driver_version), version_text(answers.runtime_version));
    case DriverAnswer::no_device:
      return "the driver finds no CUDA device";
    case DriverAnswer::failure:
      return "the driver answers " + answers.failure;
  }
  return {};
}

std::string why_unsupported(const CudaDevice& device, int oldest) {
  if (device.major * 10 + device.minor >= oldest) return {};
  return fmt::format("its compute capability {}.{} is below {}.{}, the lowest this program was built for", device.major,
                     device.minor, oldest / 10, oldest % 10);
}

}  // namespace

DeviceList describe_devices(DriverAnswers answers) {
  DeviceList list;
  list.driver_version = answers.driver_version;
  list.runtime_version = answers.runtime_version;
  list.why_none = why_none(answers);
  if (!list.why_none.empty()) return list;
  list.cuda = std::move(answers.devices);
  for (CudaDevice& device : list.cuda) {
    if (device.why_unusable.empty()) device.why_unusable = why_unsupported(device, answers.oldest_capability);
  }
  return list;
}

}  // namespace kvwave::kernels
