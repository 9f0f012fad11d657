// Where numeric work runs: the CPU or a CUDA device, chosen by one word. These functions exist in every build; in one
// without CUDA the list of devices is empty and says so.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kvwave::kernels {

/// What `--device` asks for.
struct DeviceChoice {
  enum class Kind { automatic, cpu, cuda };
  Kind kind = Kind::automatic;
  int index = -1;  ///< of the CUDA device; -1 = the first usable one
};

/// Parses `auto`, `cpu`, `cuda` or `cuda:N`. Throws Error naming the text otherwise.
DeviceChoice parse_device_choice(std::string_view text);

struct CudaDevice {
  int index = 0;
  std::string name;
  int major = 0, minor = 0;  ///< compute capability
  int multiprocessors = 0;
  std::uint64_t memory_bytes = 0, l2_bytes = 0;
  std::string why_unusable;  ///< empty = usable
};

struct DeviceList {
  int driver_version = 0;   ///< as CUDA numbers it, 13000 = 13.0; 0 = no driver
  int runtime_version = 0;  ///< of the runtime inside this program; 0 = built without CUDA
  std::string why_none;     ///< why no CUDA device can be used at all; empty when the list was read
  std::vector<CudaDevice> cuda;
};

/// Asks driver and runtime. Never throws for a missing driver or device: the list says why it is empty.
DeviceList list_devices();

/// The device that runs. `index` is -1 for the CPU.
struct Device {
  int index = -1;
  std::string name = "cpu";  ///< "cpu" or "cuda:0 (NVIDIA H200)": what traces and reports state

  bool is_cuda() const { return index >= 0; }
};

/// `automatic` takes the first usable CUDA device, else the CPU. `cuda` throws DeviceUnavailable, which says why, when
/// the asked device (or, without an index, any) cannot be used.
Device choose_device(const DeviceChoice& choice, const DeviceList& list);

}  // namespace kvwave::kernels
