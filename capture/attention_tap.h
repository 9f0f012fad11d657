// Where the decoder shows what attention did. No copies: spans are valid during the call only. Layers come in order;
// within a block of positions, rows of different q_heads and positions may come from several workers at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace kvwave::capture {

class AttentionTap {
 public:
  virtual ~AttentionTap() = default;

  /// Before any layer of positions [first, first + count). Called on the decoding thread.
  virtual void begin_block(std::uint32_t first, std::uint32_t count) = 0;
  /// Whether attn_row is to be called for this position (prompt rows outside the window are skipped at no cost).
  virtual bool wants_row(std::uint32_t position) const = 0;
  /// The exact softmax row of one query over positions 0..position; attn_prob.size() = position + 1. Concurrent calls
  /// differ in (q_head, position); `worker` identifies the calling worker of the decoder's pool.
  virtual void attn_row(std::uint32_t layer, std::uint32_t q_head, std::uint32_t position,
                        std::span<const float> attn_prob, unsigned worker) = 0;
  /// Whether qkv is to be called.
  virtual bool wants_qkv() const = 0;
  /// Post-RoPE q [Hq, d], k [Hkv, d] and v [Hkv, d] exactly as attention uses them, in the decoder's storage type.
  /// Called on the decoding thread, once per layer and position.
  virtual void qkv(std::uint32_t layer, std::uint32_t position, std::span<const std::byte> q,
                   std::span<const std::byte> k, std::span<const std::byte> v) = 0;
  /// After the last layer of the block. Called on the decoding thread.
  virtual void end_block() = 0;
};

}  // namespace kvwave::capture
