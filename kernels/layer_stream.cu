#include <algorithm>
#include <utility>

#include "kernels/layer_stream.cuh"

namespace kvwave::kernels {

namespace {

constexpr std::size_t kPieceFloats = std::size_t{4} << 20;
constexpr MemoryUse kLayerUse{"two layers of the trace", "replay a shorter trace or use --device cpu"};

}  // namespace

LayerStream::LayerStream(int device, const ReplayShape& shape, LayerSource source, bool prefetch)
    : device_(device), shape_(shape), source_(std::move(source)), prefetch_(prefetch) {
  const std::size_t per_head = std::size_t{shape.n_positions} * shape.head_dim;
  for (DeviceLayer& layer : layer_) {
    layer.q = DeviceBuffer<float>(per_head * shape.n_q_heads, kLayerUse);
    layer.k = DeviceBuffer<float>(per_head * shape.n_kv_heads, kLayerUse);
    layer.v = DeviceBuffer<float>(per_head * shape.n_kv_heads, kLayerUse);
  }
  const std::size_t longest = std::max(kPieceFloats, std::size_t{shape.n_q_heads} * shape.head_dim);
  for (PinnedBuffer<float>& piece : piece_) piece = PinnedBuffer<float>(std::min(longest, per_head * shape.n_q_heads));
}

LayerStream::~LayerStream() {
  if (next_.valid()) next_.wait();
}

const DeviceLayer& LayerStream::load(std::uint32_t layer) {
  const std::optional<std::uint32_t> coming = std::exchange(coming_, std::nullopt);
  if (coming == layer) {
    next_.get();
  } else {
    if (coming) next_.wait();
    next_ = {};  // whatever it met: nobody asked for that layer
    fetch(layer);
  }
  if (prefetch_ && layer + 1 < shape_.n_layers) {
    coming_ = layer + 1;
    next_ = std::async(std::launch::async, [this, layer] { fetch(layer + 1); });
  }
  return place_of(layer);
}

void LayerStream::fetch(std::uint32_t layer) {
  KVWAVE_CUDA_CHECK(cudaSetDevice(device_));  // a thread starts on device 0
  DeviceLayer& to = place_of(layer);
  fetch_tensor(LayerTensor::q, layer, shape_.n_q_heads, to.q);
  fetch_tensor(LayerTensor::k, layer, shape_.n_kv_heads, to.k);
  fetch_tensor(LayerTensor::v, layer, shape_.n_kv_heads, to.v);
  stream_.wait();
}

// One piece is filled by the source while the other is on its way.
void LayerStream::fetch_tensor(LayerTensor tensor, std::uint32_t layer, std::uint32_t n_heads,
                               DeviceBuffer<float>& to) {
  const std::size_t line = std::size_t{n_heads} * shape_.head_dim;
  const auto lines = static_cast<std::uint32_t>(piece_[0].size() / line);
  for (std::uint32_t begin = 0, turn = 0; begin < shape_.n_positions; begin += lines, turn ^= 1U) {
    const std::uint32_t end = begin + std::min(lines, shape_.n_positions - begin);
    copied_[turn].wait();
    const std::span<float> piece = piece_[turn].span().first((end - begin) * line);
    source_(tensor, layer, begin, end, piece);
    to.upload(piece, stream_.get(), begin * line);
    copied_[turn].record(stream_.get());
  }
}

}  // namespace kvwave::kernels
