#include "kernels/device.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "kernels/error.h"

namespace kvwave::kernels {
namespace {

Device cuda_device(const CudaDevice& device) {
  return {device.index, fmt::format("cuda:{} ({})", device.index, device.name)};
}

const CudaDevice* first_usable(const DeviceList& list) {
  const auto found = std::find_if(list.cuda.begin(), list.cuda.end(),
                                  [](const CudaDevice& device) { return device.why_unusable.empty(); });
  return found == list.cuda.end() ? nullptr : &*found;
}

std::string why_none_usable(const DeviceList& list) {
  if (!list.why_none.empty()) return list.why_none;
  if (list.cuda.empty()) return "the driver finds no CUDA device";
  return fmt::format("cuda:{} ({}): {}", list.cuda.front().index, list.cuda.front().name,
                     list.cuda.front().why_unusable);
}

}  // namespace

DeviceChoice parse_device_choice(std::string_view text) {
  if (text == "auto") return {DeviceChoice::Kind::automatic, -1};
  if (text == "cpu") return {DeviceChoice::Kind::cpu, -1};
  if (text == "cuda") return {DeviceChoice::Kind::cuda, -1};
  constexpr std::string_view kPrefix = "cuda:";
  if (text.starts_with(kPrefix)) {
    int index = -1;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data() + kPrefix.size(), end, index);
    if (error == std::errc{} && stop == end && index >= 0) return {DeviceChoice::Kind::cuda, index};
  }
  throw Error(fmt::format("device '{}' is none of auto, cpu, cuda, cuda:N", text));
}

Device choose_device(const DeviceChoice& choice, const DeviceList& list) {
  if (choice.kind == DeviceChoice::Kind::cpu) return {};
  const CudaDevice* first = list.why_none.empty() ? first_usable(list) : nullptr;
  if (choice.kind == DeviceChoice::Kind::automatic) return first != nullptr ? cuda_device(*first) : Device{};
  if (!list.why_none.empty()) throw DeviceUnavailable("no CUDA device can be used: " + list.why_none);
  if (choice.index < 0) {
    if (first == nullptr) throw DeviceUnavailable("no CUDA device can be used: " + why_none_usable(list));
    return cuda_device(*first);
  }
  for (const CudaDevice& device : list.cuda) {
    if (device.index != choice.index) continue;
    if (device.why_unusable.empty()) return cuda_device(device);
    throw DeviceUnavailable(
        fmt::format("cuda:{} ({}) cannot be used: {}", device.index, device.name, device.why_unusable));
  }
  throw DeviceUnavailable(fmt::format("there is no device cuda:{}: the driver finds {} CUDA device{}", choice.index,
                                      list.cuda.size(), list.cuda.size() == 1 ? "" : "s"));
}

}  // namespace kvwave::kernels
