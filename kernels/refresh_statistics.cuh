// Statistics and selections of many caches of the loaded layer: packs requests into batches for the kernels of
// rkv_batch.cuh and unpacks what they answer.
#pragma once

#include <span>
#include <vector>

#include "kernels/growing_buffer.cuh"
#include "kernels/layer_stream.cuh"
#include "kernels/replay_device.h"
#include "kernels/rkv_batch.cuh"

namespace kvwave::kernels {

class RefreshStatistics {
 public:
  explicit RefreshStatistics(const ReplayShape& shape) : shape_(shape) {}

  /// A new layer was loaded.
  void start_layer() { unit_is_current_ = false; }

  std::vector<CacheStatistics> statistics(const DeviceLayer& layer, std::span<const CacheStatisticsRequest> requests,
                                          cudaStream_t stream);
  std::vector<std::vector<std::uint32_t>> select_top(std::span<const SelectionRequest> requests, cudaStream_t stream);

 private:
  void run_batch(const DeviceLayer& layer, std::span<const CacheStatisticsRequest> requests,
                 std::span<CacheStatistics> out, cudaStream_t stream);
  const float* unit_keys(const DeviceLayer& layer, cudaStream_t stream);

  static constexpr MemoryUse kUse{"the statistics of a refresh", "use --device cpu"};
  ReplayShape shape_;
  bool unit_is_current_ = false;
  GrowingBuffer<float> unit_{kUse}, importance_{kUse}, redundancy_{kUse}, logit_{kUse}, cosine_{kUse}, score_{kUse};
  GrowingBuffer<double> sum_{kUse};
  GrowingBuffer<std::uint32_t> position_{kUse}, retained_{kUse}, order_{kUse};
  GrowingBuffer<RkvCache> attended_{kUse}, compared_{kUse};
  GrowingBuffer<Selection> selection_{kUse};
  // What goes to the device and what comes back.
  GrowingPinned<std::uint32_t> slots_sent_, retained_taken_, order_taken_;
  GrowingPinned<float> score_sent_, importance_taken_, redundancy_taken_;
};

}  // namespace kvwave::kernels
