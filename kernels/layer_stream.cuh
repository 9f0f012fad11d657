// Layers of a trace on their way to the device: source -> pinned memory -> device memory, in pieces through two pinned
// buffers, the next layer while the current one is worked on.
#pragma once

#include <array>
#include <cstdint>
#include <future>
#include <optional>

#include "kernels/cuda_memory.cuh"
#include "kernels/cuda_stream.cuh"
#include "kernels/replay_device.h"

namespace kvwave::kernels {

/// One layer in device memory, as a trace stores it: [position, head, head_dim].
struct DeviceLayer {
  DeviceBuffer<float> q, k, v;
};

class LayerStream {
 public:
  LayerStream(int device, const ReplayShape& shape, LayerSource source, bool prefetch);
  ~LayerStream();
  LayerStream(const LayerStream&) = delete;
  LayerStream& operator=(const LayerStream&) = delete;

  /// The layer, complete in device memory. Valid until the next call; work on the layer before must be finished.
  const DeviceLayer& load(std::uint32_t layer);

 private:
  void fetch(std::uint32_t layer);
  void fetch_tensor(LayerTensor tensor, std::uint32_t layer, std::uint32_t n_heads, DeviceBuffer<float>& to);
  DeviceLayer& place_of(std::uint32_t layer) { return layer_[layer % layer_.size()]; }

  int device_;
  ReplayShape shape_;
  LayerSource source_;
  bool prefetch_;
  std::array<DeviceLayer, 2> layer_;
  std::array<PinnedBuffer<float>, 2> piece_;
  std::array<Event, 2> copied_;
  Stream stream_;
  std::future<void> next_;
  std::optional<std::uint32_t> coming_;  // the layer that next_ fetches
};

}  // namespace kvwave::kernels
