// Exact attention of one query per q_head over a KV cache, and the cache itself. The softmax row is complete and stays
// in the caller's buffer, so that it can be looked at without a copy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace kvwave::kernels {

enum class KvType : std::uint8_t { f16, f32 };

/// Keys and values of one sequence for every (layer, kv_head). Memory grows by pages of kPage positions. Within a page
/// keys are stored transposed, [d][kPage], so that one vector register holds one component of many keys; values are
/// [kPage][value_pitch], the pitch being d rounded up to a multiple of 16.
class KvCache {
 public:
  static constexpr std::uint32_t kPage = 64;  ///< positions

  KvCache(KvType type, std::uint32_t n_layers, std::uint32_t n_kv_heads, std::uint32_t head_dim);

  /// Makes room for positions 0 .. n_positions - 1. Never shrinks.
  void reserve(std::uint32_t n_positions);
  /// Writes one position of one layer. k and v are [n_kv_heads, head_dim] in the cache's type.
  void store(std::uint32_t layer, std::uint32_t position, std::span<const std::byte> k, std::span<const std::byte> v);

  KvType type() const { return type_; }
  std::uint32_t head_dim() const { return head_dim_; }
  std::uint32_t value_pitch() const { return value_pitch_; }
  std::size_t value_bytes() const { return type_ == KvType::f16 ? 2 : 4; }
  /// Bytes of all pages for so many positions.
  std::uint64_t bytes(std::uint32_t n_positions) const;

  const std::byte* key_page(std::uint32_t layer, std::uint32_t kv_head, std::uint32_t page) const {
    return pages_[page].get() + tile_offset(layer, kv_head);
  }
  const std::byte* value_page(std::uint32_t layer, std::uint32_t kv_head, std::uint32_t page) const {
    return key_page(layer, kv_head, page) + keys_bytes();
  }

 private:
  std::size_t keys_bytes() const { return std::size_t{kPage} * head_dim_ * value_bytes(); }
  std::size_t tile_bytes() const { return keys_bytes() + std::size_t{kPage} * value_pitch_ * value_bytes(); }
  std::size_t tile_offset(std::uint32_t layer, std::uint32_t kv_head) const {
    return (std::size_t{layer} * n_kv_heads_ + kv_head) * tile_bytes();
  }

  KvType type_;
  std::uint32_t n_layers_, n_kv_heads_, head_dim_, value_pitch_;
  struct FreePage {
    void operator()(std::byte* page) const;
  };
  std::vector<std::unique_ptr<std::byte[], FreePage>> pages_;
};

/// Floats that `rows` of decode_attention needs for n_heads rows over n_positions.
std::size_t attention_row_stride(std::uint32_t n_positions);

/// Attention of n_heads query heads that read the same kv_head, over positions 0 .. n_positions - 1:
///   rows[h] = softmax(q[h] . k / sqrt(d)), out[h] = sum_i rows[h][i] v[i].
/// q and out are [n_heads, d]; row h starts at rows[h * attention_row_stride(n_positions)] and holds n_positions
/// probabilities whose sum is 1 within 1e-6. Each q_head's result does not depend on n_heads.
void decode_attention(const KvCache& cache, std::uint32_t layer, std::uint32_t kv_head, std::uint32_t n_positions,
                      std::span<const float> q, std::uint32_t n_heads, std::span<float> rows, std::span<float> out);

/// The same, byte by byte, for n_queries neighbouring positions from `first` on, each over itself and all before it, so
/// that a key or value is read once for all of them. q and out are [n_queries, n_heads, d]; the row of query i and head
/// h starts at rows[(i * n_heads + h) * attention_row_stride(first + n_queries)].
void block_attention(const KvCache& cache, std::uint32_t layer, std::uint32_t kv_head, std::uint32_t first,
                     std::uint32_t n_queries, std::span<const float> q, std::uint32_t n_heads, std::span<float> rows,
                     std::span<float> out);

}  // namespace kvwave::kernels
