// Layers of a trace's queries, keys and values, read once where memory allows it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "replay/layer_tensors.h"

namespace kvwave::replay {

class LayerStore {
 public:
  /// Keeps what get() reads when all layers together take at most `most_bytes`, else only what callers hold.
  LayerStore(const traces::TraceReader& trace, const Sequence& sequence, std::uint64_t most_bytes);

  /// Reads the layer unless it is kept. Throws CorruptTrace. Not for several threads at once.
  std::shared_ptr<const LayerTensors> get(std::uint32_t layer);

 private:
  const traces::TraceReader& trace_;
  Sequence sequence_;
  bool keeps_;
  std::vector<std::shared_ptr<const LayerTensors>> kept_;  // [n_layers]
};

}  // namespace kvwave::replay
