// What a build without CUDA answers. Every public function of the .cu files has its twin here.
#include "kernels/device.h"

namespace kvwave::kernels {

DeviceList list_devices() {
  DeviceList list;
  list.why_none = "this program was built without CUDA";
  return list;
}

}  // namespace kvwave::kernels
