// `kvwave info --devices`: what numeric work can run on here, and why not on the rest.
#include <boost/program_options.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "capture/commands.h"
#include "kernels/cpu_features.h"
#include "kernels/device.h"
#include "traces/command_line.h"
#include "traces/command_options.h"
#include "traces/progress.h"

namespace kvwave::capture {
namespace {

using OrderedJson = nlohmann::ordered_json;

OrderedJson as_json(const kernels::DeviceList& list) {
  OrderedJson devices =
      OrderedJson::array({{{"device", "cpu"}, {"path", std::string(to_string(kernels::simd_path()))}}});
  for (const kernels::CudaDevice& device : list.cuda) {
    devices.push_back({{"device", fmt::format("cuda:{}", device.index)},
                       {"name", device.name},
                       {"compute_capability", fmt::format("{}.{}", device.major, device.minor)},
                       {"multiprocessors", device.multiprocessors},
                       {"memory_bytes", device.memory_bytes},
                       {"l2_bytes", device.l2_bytes},
                       {"usable", device.why_unusable.empty()},
                       {"why_unusable", device.why_unusable}});
  }
  return {{"devices", devices}, {"no_cuda_because", list.why_none}};
}

void print_text(const kernels::DeviceList& list) {
  fmt::print("cpu     {}\n", to_string(kernels::simd_path()));
  for (const kernels::CudaDevice& device : list.cuda) {
    fmt::print("cuda:{}  {}, compute capability {}.{}, {} multiprocessors, {}{}\n", device.index, device.name,
               device.major, device.minor, device.multiprocessors, traces::human_bytes(device.memory_bytes),
               device.why_unusable.empty() ? "" : "; cannot be used: " + device.why_unusable);
  }
  if (!list.why_none.empty()) fmt::print("cuda    none: {}\n", list.why_none);
}

}  // namespace

int devices_command(std::span<const std::string> args) {
  namespace po = boost::program_options;
  po::options_description options("Options");
  options.add_options()("devices", "list the devices")("json", "print one JSON object");
  const auto values = traces::parse_options("usage: kvwave info --devices [--json]", options, "", args);
  if (!values) return traces::kComplete;
  const kernels::DeviceList list = kernels::list_devices();
  if (values->contains("json")) {
    fmt::print("{}\n", as_json(list).dump(2));
  } else {
    print_text(list);
  }
  return traces::kComplete;
}

}  // namespace kvwave::capture
