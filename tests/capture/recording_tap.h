// A tap that keeps everything it is shown, and notes when it is shown in the wrong order.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "capture/attention_tap.h"

namespace kvwave::capture::testing {

class RecordingTap : public AttentionTap {
 public:
  using Row = std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>;  // layer, q_head, position
  struct Qkv {
    std::vector<std::byte> q, k, v;
    bool operator==(const Qkv&) const = default;
  };

  explicit RecordingTap(std::uint32_t first_row = 0) : first_row_(first_row) {}

  void begin_block(std::uint32_t first, std::uint32_t count) override {
    if (open_) mistakes += "block began inside a block; ";
    open_ = true;
    first_ = first;
    count_ = count;
    layer_ = 0;
    blocks.emplace_back(first, count);
  }
  bool wants_row(std::uint32_t position) const override { return position >= first_row_; }
  void attn_row(std::uint32_t layer, std::uint32_t q_head, std::uint32_t position, std::span<const float> attn_prob,
                unsigned worker) override {
    const std::lock_guard lock(mutex_);
    check(layer, position);
    if (!wants_row(position)) mistakes += "unwanted row; ";
    if (attn_prob.size() != position + 1) mistakes += "row of wrong length; ";
    if (!rows.emplace(Row{layer, q_head, position}, std::vector<float>(attn_prob.begin(), attn_prob.end())).second) {
      mistakes += "row twice; ";
    }
    max_worker = std::max(max_worker, worker);
  }
  bool wants_qkv() const override { return true; }
  void qkv(std::uint32_t layer, std::uint32_t position, std::span<const std::byte> q, std::span<const std::byte> k,
           std::span<const std::byte> v) override {
    const std::lock_guard lock(mutex_);
    check(layer, position);
    qkvs[{layer, position}] = {{q.begin(), q.end()}, {k.begin(), k.end()}, {v.begin(), v.end()}};
  }
  void end_block() override {
    if (!open_) mistakes += "block ended outside a block; ";
    open_ = false;
  }

  std::map<Row, std::vector<float>> rows;
  std::map<std::pair<std::uint32_t, std::uint32_t>, Qkv> qkvs;  // (layer, position)
  std::vector<std::pair<std::uint32_t, std::uint32_t>> blocks;
  std::string mistakes;
  unsigned max_worker = 0;

 private:
  void check(std::uint32_t layer, std::uint32_t position) {
    if (!open_ || position < first_ || position >= first_ + count_) mistakes += "position outside the block; ";
    if (layer < layer_) mistakes += "layers out of order; ";
    layer_ = layer;
  }

  std::mutex mutex_;
  std::uint32_t first_row_, first_ = 0, count_ = 0, layer_ = 0;
  bool open_ = false;
};

}  // namespace kvwave::capture::testing
