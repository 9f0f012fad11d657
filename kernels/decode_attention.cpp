#include "kernels/decode_attention.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>
#include <new>

#include "kernels/simd_kernels.h"

namespace kvwave::kernels {

namespace {

constexpr std::align_val_t kPageAlignment{64};  // of a vector register and a cache line

}  // namespace

void KvCache::FreePage::operator()(std::byte* page) const {
  operator delete[](page, kPageAlignment);
}

KvCache::KvCache(KvType type, std::uint32_t n_layers, std::uint32_t n_kv_heads, std::uint32_t head_dim)
    : type_(type),
      n_layers_(n_layers),
      n_kv_heads_(n_kv_heads),
      head_dim_(head_dim),
      value_pitch_((head_dim + 15) / 16 * 16) {
  static_assert(kPage == kKvPage);
}

void KvCache::reserve(std::uint32_t n_positions) {
  const std::size_t n_pages = (std::size_t{n_positions} + kPage - 1) / kPage;
  while (pages_.size() < n_pages) {
    const std::size_t size = bytes(kPage);
    pages_.emplace_back(new (kPageAlignment) std::byte[size]);
    std::memset(pages_.back().get(), 0, size);
  }
}

std::uint64_t KvCache::bytes(std::uint32_t n_positions) const {
  const std::uint64_t n_pages = (std::uint64_t{n_positions} + kPage - 1) / kPage;
  return n_pages * n_layers_ * n_kv_heads_ * tile_bytes();
}

void KvCache::store(std::uint32_t layer, std::uint32_t position, std::span<const std::byte> k,
                    std::span<const std::byte> v) {
  const std::size_t width = value_bytes();
  const std::size_t vector_bytes = head_dim_ * width;
  assert(k.size() == n_kv_heads_ * vector_bytes && v.size() == k.size() && position / kPage < pages_.size());
  const std::size_t slot = position % kPage;
  for (std::uint32_t kv_head = 0; kv_head < n_kv_heads_; ++kv_head) {
    std::byte* keys = pages_[position / kPage].get() + tile_offset(layer, kv_head);
    std::byte* values = keys + keys_bytes();
    const std::byte* key = k.data() + kv_head * vector_bytes;
    for (std::size_t i = 0; i < head_dim_; ++i) {
      std::memcpy(keys + (i * kPage + slot) * width, key + i * width, width);
    }
    std::memcpy(values + slot * value_pitch_ * width, v.data() + kv_head * vector_bytes, vector_bytes);
  }
}

std::size_t attention_row_stride(std::uint32_t n_positions) {
  return (std::size_t{n_positions} + KvCache::kPage - 1) / KvCache::kPage * KvCache::kPage;
}

void decode_attention(const KvCache& cache, std::uint32_t layer, std::uint32_t kv_head, std::uint32_t n_positions,
                      std::span<const float> q, std::uint32_t n_heads, std::span<float> rows, std::span<float> out) {
  const std::size_t d = cache.head_dim();
  const std::size_t stride = attention_row_stride(n_positions);
  assert(q.size() == n_heads * d && out.size() == q.size() && rows.size() >= n_heads * stride);
  const SimdKernels& kernels = simd_kernels();
  const auto type = static_cast<std::size_t>(cache.type());
  const float scale = 1.0f / std::sqrt(static_cast<float>(d));
  const auto in_page = [&](std::uint32_t page) {
    return std::min<std::size_t>(KvCache::kPage, n_positions - page * KvCache::kPage);
  };
  const std::uint32_t n_pages = (n_positions + KvCache::kPage - 1) / KvCache::kPage;
  for (std::uint32_t page = 0; page < n_pages; ++page) {
    const auto* keys = reinterpret_cast<const std::uint8_t*>(cache.key_page(layer, kv_head, page));
    kernels.score[type](keys, q.data(), n_heads, d, in_page(page), scale, rows.data() + page * KvCache::kPage, stride);
  }
  for (std::uint32_t h = 0; h < n_heads; ++h) kernels.softmax(rows.data() + h * stride, n_positions);
  std::fill(out.begin(), out.end(), 0.0f);
  for (std::uint32_t page = 0; page < n_pages; ++page) {
    const auto* values = reinterpret_cast<const std::uint8_t*>(cache.value_page(layer, kv_head, page));
    kernels.accumulate[type](values, cache.value_pitch(), rows.data() + page * KvCache::kPage, stride, n_heads, d,
                             in_page(page), out.data());
  }
}

}  // namespace kvwave::kernels
