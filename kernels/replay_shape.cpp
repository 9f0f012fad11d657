#include "kernels/replay_device.h"
#include "kernels/rkv_batch.h"

namespace kvwave::kernels {

std::string ReplayDevice::why_refused(const ReplayShape& shape) {
  if (shape.head_dim == 0 || shape.head_dim % 4 != 0 || shape.head_dim > kMaxBatchHeadDim) {
    return "head_dim must be a multiple of 4 up to 256, it is " + std::to_string(shape.head_dim);
  }
  const std::uint32_t group = shape.n_q_heads / shape.n_kv_heads;
  if (group > kMaxBatchGroup) {
    return "at most 32 query heads may share a KV head, here " + std::to_string(group) + " do";
  }
  return {};
}

}  // namespace kvwave::kernels
