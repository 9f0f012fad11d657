#include "viewer/model/attention_rows.h"

#include <algorithm>

namespace kvwave::viewer {
namespace {

constexpr std::uint32_t kBlock = 64;  // queries read at a time

const replay::LayerKeys& layer_keys(const FigureInputs& in) {
  LaneCache& cache = *in.cache;
  const std::uint64_t source = in.main().source->id();
  const std::uint32_t layer = in.view.selection.layer, n = in.snapshot().n_positions;
  if (!cache.keys || cache.keys_of != source || cache.keys_layer != layer || cache.keys_positions != n) {
    cache.keys.reset();  // before the next are read: they may be large
    cache.keys = std::make_unique<replay::LayerKeys>(in.reader(), layer, n);
    cache.keys_of = source;
    cache.keys_layer = layer;
    cache.keys_positions = n;
  }
  return *cache.keys;
}

}  // namespace

HeadRows::HeadRows(const FigureInputs& in) : in_(in), exact_(in.snapshot().info.levels.qkv) {
  if (!exact_ && !in.snapshot().info.levels.attention) {
    throw NotThere(in.snapshot().name() + " holds neither q and k nor attention rows; record it with --levels qkv,...");
  }
}

std::span<const double> HeadRows::row(std::uint32_t position) {
  const traces::ModelShape& shape = in_.shape();
  const Selection& selection = in_.view.selection;
  row_.assign(position + std::size_t{1}, 0.0);
  if (exact_) {
    const replay::LayerKeys& keys = layer_keys(in_);
    if (position < block_begin_ || position >= block_end_) {
      block_begin_ = position / kBlock * kBlock;
      block_end_ = std::min(block_begin_ + kBlock, in_.snapshot().n_positions);
      queries_.resize(std::size_t{block_end_ - block_begin_} * shape.n_q_heads * shape.head_dim);
      in_.reader().q(selection.layer, block_begin_, block_end_, queries_);
    }
    const std::size_t first =
        (std::size_t{position - block_begin_} * shape.n_q_heads + selection.q_head) * shape.head_dim;
    keys.row(std::span(queries_).subspan(first, shape.head_dim), in_.kv_head(), row_);
    residual_ = 0;
    return row_;
  }
  in_.reader().attention(position, stored_);
  const traces::AttentionRow stored = stored_.row(selection.layer, selection.q_head);
  for (std::size_t i = 0; i < stored.position.size(); ++i) row_[stored.position[i]] = stored.prob[i];
  residual_ = stored.residual;
  return row_;
}

}  // namespace kvwave::viewer
