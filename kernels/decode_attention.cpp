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
  block_attention(cache, layer, kv_head, n_positions - 1, 1, q, n_heads, rows, out);
}

void block_attention(const KvCache& cache, std::uint32_t layer, std::uint32_t kv_head, std::uint32_t first,
                     std::uint32_t n_queries, std::span<const float> q, std::uint32_t n_heads, std::span<float> rows,
                     std::span<float> out) {
  const std::size_t d = cache.head_dim();
  const std::size_t stride = attention_row_stride(first + n_queries);
  const std::size_t n_rows = std::size_t{n_queries} * n_heads;
  assert(q.size() == n_rows * d && out.size() == q.size() && rows.size() >= n_rows * stride);
  const SimdKernels& kernels = simd_kernels();
  const auto type = static_cast<std::size_t>(cache.type());
  const float scale = 1.0f / std::sqrt(static_cast<float>(d));
  // multiply(page, first row, rows, positions of the page): pages that all queries see whole go to all of them at once.
  const auto for_each_page = [&](const auto& multiply) {
    const std::uint32_t n_whole = (first + 1) / KvCache::kPage;
    for (std::uint32_t page = 0; page < n_whole; ++page) multiply(page, 0, n_rows, KvCache::kPage);
    for (std::uint32_t i = 0; i < n_queries; ++i) {
      const std::uint32_t n_positions = first + i + 1;
      for (std::uint32_t page = n_whole; page * KvCache::kPage < n_positions; ++page) {
        multiply(page, std::size_t{i} * n_heads, n_heads,
                 std::min<std::size_t>(KvCache::kPage, n_positions - page * KvCache::kPage));
      }
    }
  };
  for_each_page([&](std::uint32_t page, std::size_t row, std::size_t count, std::size_t n) {
    const auto* keys = reinterpret_cast<const std::uint8_t*>(cache.key_page(layer, kv_head, page));
    kernels.score[type](keys, q.data() + row * d, count, d, n, scale,
                        rows.data() + row * stride + page * KvCache::kPage, stride);
  });
  for (std::size_t row = 0; row < n_rows; ++row) kernels.softmax(rows.data() + row * stride, first + row / n_heads + 1);
  std::fill(out.begin(), out.end(), 0.0f);
  for_each_page([&](std::uint32_t page, std::size_t row, std::size_t count, std::size_t n) {
    const auto* values = reinterpret_cast<const std::uint8_t*>(cache.value_page(layer, kv_head, page));
    kernels.accumulate[type](values, cache.value_pitch(), rows.data() + row * stride + page * KvCache::kPage, stride,
                             count, d, n, out.data() + row * d);
  });
}

}  // namespace kvwave::kernels
