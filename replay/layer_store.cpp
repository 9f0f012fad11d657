#include "replay/layer_store.h"

namespace kvwave::replay {

LayerStore::LayerStore(const traces::TraceReader& trace, const Sequence& sequence, std::uint64_t most_bytes)
    : trace_(trace), sequence_(sequence), kept_(sequence.n_layers) {
  const std::uint64_t per_position = std::uint64_t{sequence.head_dim} * (sequence.n_q_heads + 4 * sequence.n_kv_heads);
  const std::uint64_t per_layer = per_position * sequence.n_positions * sizeof(float);
  keeps_ = per_layer <= most_bytes / sequence.n_layers;
}

std::shared_ptr<const LayerTensors> LayerStore::get(std::uint32_t layer) {
  if (kept_[layer] != nullptr) return kept_[layer];
  auto tensors = std::make_shared<const LayerTensors>(trace_, sequence_, layer);
  if (keeps_) kept_[layer] = tensors;
  return tensors;
}

}  // namespace kvwave::replay
