#include "kernels/decode_attention.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>

#include "kernels/half.h"

namespace kvwave::kernels {

KvCache::KvCache(KvType type, std::uint32_t n_layers, std::uint32_t n_kv_heads, std::uint32_t head_dim)
    : type_(type), n_layers_(n_layers), n_kv_heads_(n_kv_heads), head_dim_(head_dim) {}

void KvCache::reserve(std::uint32_t n_positions) {
  const std::size_t n_pages = (std::size_t{n_positions} + kPage - 1) / kPage;
  while (pages_.size() < n_pages) pages_.push_back(std::make_unique<std::byte[]>(bytes(kPage)));
}

std::uint64_t KvCache::bytes(std::uint32_t n_positions) const {
  const std::uint64_t n_pages = (std::uint64_t{n_positions} + kPage - 1) / kPage;
  return n_pages * n_layers_ * n_kv_heads_ * 2 * tile_bytes();
}

void KvCache::store(std::uint32_t layer, std::uint32_t position, std::span<const std::byte> k,
                    std::span<const std::byte> v) {
  const std::size_t width = value_bytes();
  const std::size_t vector_bytes = head_dim_ * width;
  assert(k.size() == n_kv_heads_ * vector_bytes && v.size() == k.size() && position / kPage < pages_.size());
  const std::size_t slot = position % kPage;
  for (std::uint32_t kv_head = 0; kv_head < n_kv_heads_; ++kv_head) {
    std::byte* keys = pages_[position / kPage].get() + tile_offset(layer, kv_head);
    std::byte* values = keys + tile_bytes();
    const std::byte* key = k.data() + kv_head * vector_bytes;
    for (std::size_t i = 0; i < head_dim_; ++i) {
      std::memcpy(keys + (i * kPage + slot) * width, key + i * width, width);
    }
    std::memcpy(values + slot * vector_bytes, v.data() + kv_head * vector_bytes, vector_bytes);
  }
}

std::size_t attention_row_stride(std::uint32_t n_positions) {
  return (std::size_t{n_positions} + KvCache::kPage - 1) / KvCache::kPage * KvCache::kPage;
}

namespace {

float read_value(KvType type, const std::byte* data, std::size_t index) {
  if (type == KvType::f32) {
    float value;
    std::memcpy(&value, data + index * 4, 4);
    return value;
  }
  std::uint16_t half;
  std::memcpy(&half, data + index * 2, 2);
  return f16_to_f32(half);
}

}  // namespace

void decode_attention(const KvCache& cache, std::uint32_t layer, std::uint32_t kv_head, std::uint32_t n_positions,
                      std::span<const float> q, std::uint32_t n_heads, std::span<float> rows, std::span<float> out) {
  const std::uint32_t d = cache.head_dim();
  const float scale = 1.0f / std::sqrt(static_cast<float>(d));
  for (std::uint32_t h = 0; h < n_heads; ++h) {
    float* row = rows.data() + h * attention_row_stride(n_positions);
    float largest = -INFINITY;
    for (std::uint32_t i = 0; i < n_positions; ++i) {
      const std::byte* keys = cache.key_page(layer, kv_head, i / KvCache::kPage);
      float sum = 0;
      for (std::uint32_t j = 0; j < d; ++j) {
        sum += q[h * d + j] * read_value(cache.type(), keys, std::size_t{j} * KvCache::kPage + i % KvCache::kPage);
      }
      row[i] = sum * scale;
      largest = std::max(largest, row[i]);
    }
    double sum = 0;
    for (std::uint32_t i = 0; i < n_positions; ++i) {
      row[i] = std::exp(row[i] - largest);
      sum += static_cast<double>(row[i]);
    }
    const float inverse = static_cast<float>(1.0 / sum);
    float* o = out.data() + h * d;
    std::fill(o, o + d, 0.0f);
    for (std::uint32_t i = 0; i < n_positions; ++i) {
      row[i] *= inverse;
      const std::byte* values = cache.value_page(layer, kv_head, i / KvCache::kPage);
      for (std::uint32_t j = 0; j < d; ++j) {
        o[j] += row[i] * read_value(cache.type(), values, std::size_t{i % KvCache::kPage} * d + j);
      }
    }
  }
}

}  // namespace kvwave::kernels
