#include "kernels/decode_attention.h"

#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/half.h"
#include "tests/kernels/simd_paths.h"

namespace kvwave::kernels {
namespace {

using testing::ScopedSimdPath;
using testing::supported_paths;

// Random keys and values in a cache and, rounded to its type, beside it.
struct FilledCache {
  FilledCache(KvType type, std::uint32_t d, std::uint32_t n, float spread, std::uint32_t seed = 1)
      : cache(type, 2, 3, d), head_dim(d), random(seed) {
    cache.reserve(n);
    for (std::uint32_t layer = 0; layer < 2; ++layer) {
      for (std::uint32_t i = 0; i < n; ++i) {
        const auto k = vector(3 * d, spread), v = vector(3 * d, 1.0F);
        if (layer == 1) {
          keys.push_back(k);
          values.push_back(v);
        }
        cache.store(layer, i, stored(k), stored(v));
      }
    }
  }
  std::vector<float> vector(std::size_t size, float spread) {
    std::normal_distribution<float> normal(0, spread);
    std::vector<float> result(size);
    for (float& value : result) {
      value = normal(random);
      if (cache.type() == KvType::f16) value = f16_to_f32(f32_to_f16(value));
    }
    return result;
  }
  std::vector<std::byte> stored(const std::vector<float>& from) const {
    std::vector<std::byte> bytes(from.size() * cache.value_bytes());
    if (cache.type() == KvType::f32) {
      std::memcpy(bytes.data(), from.data(), bytes.size());
    } else {
      f32_to_f16(from, {reinterpret_cast<std::uint16_t*>(bytes.data()), from.size()});
    }
    return bytes;
  }

  KvCache cache;
  std::uint32_t head_dim;
  std::mt19937 random;
  std::vector<std::vector<float>> keys, values;  // of layer 1, [position][3 * d]
};

struct Attended {
  std::vector<float> rows, out;
};

Attended attend(const FilledCache& f, std::uint32_t kv_head, std::uint32_t n, std::span<const float> q,
                std::uint32_t n_heads) {
  Attended result{std::vector<float>(n_heads * attention_row_stride(n)), std::vector<float>(q.size())};
  decode_attention(f.cache, 1, kv_head, n, q, n_heads, result.rows, result.out);
  return result;
}

struct Reference {
  std::vector<double> row, out;
};

Reference reference(const FilledCache& f, std::uint32_t kv_head, std::uint32_t n, std::span<const float> q) {
  Reference r{std::vector<double>(n), std::vector<double>(f.head_dim)};
  double largest = -INFINITY, sum = 0;
  for (std::uint32_t i = 0; i < n; ++i) {
    for (std::uint32_t j = 0; j < f.head_dim; ++j) {
      r.row[i] += static_cast<double>(q[j]) * static_cast<double>(f.keys[i][kv_head * f.head_dim + j]);
    }
    r.row[i] /= std::sqrt(static_cast<double>(f.head_dim));
    largest = std::max(largest, r.row[i]);
  }
  for (double& p : r.row) sum += p = std::exp(p - largest);
  for (std::uint32_t i = 0; i < n; ++i) {
    r.row[i] /= sum;
    for (std::uint32_t j = 0; j < f.head_dim; ++j) {
      r.out[j] += r.row[i] * static_cast<double>(f.values[i][kv_head * f.head_dim + j]);
    }
  }
  return r;
}

TEST(DecodeAttention, agrees_with_an_fp64_reference_on_every_path) {
  for (const KvType type : {KvType::f16, KvType::f32}) {
    for (const std::uint32_t d : {2u, 24u, 64u, 80u, 96u, 128u}) {
      for (const std::uint32_t n : {1u, 63u, 64u, 65u, 200u}) {
        FilledCache f(type, d, n, 1.5F, d + n);
        for (const std::uint32_t n_heads : {1u, 2u, 3u, 4u, 6u}) {
          const std::vector<float> q = f.vector(n_heads * d, 1.5F);
          for (const SimdPath path : supported_paths()) {
            const ScopedSimdPath scoped(path);
            const Attended got = attend(f, 2, n, q, n_heads);
            for (std::uint32_t h = 0; h < n_heads; ++h) {
              const Reference want = reference(f, 2, n, std::span(q).subspan(h * d, d));
              const float* row = got.rows.data() + h * attention_row_stride(n);
              const std::string where = std::string(to_string(path)) + " d " + std::to_string(d) + " n " +
                                        std::to_string(n) + " q_head " + std::to_string(h);
              double sum = 0;
              for (std::uint32_t i = 0; i < n; ++i) {
                ASSERT_NEAR(row[i], want.row[i], 5e-6) << "attn_prob " << i << " " << where;
                sum += static_cast<double>(row[i]);
              }
              ASSERT_NEAR(sum, 1.0, 1e-6) << where;
              for (std::uint32_t j = 0; j < d; ++j) {
                ASSERT_NEAR(got.out[h * d + j], want.out[j], 2e-5) << "output " << j << " " << where;
              }
            }
          }
        }
      }
    }
  }
}

TEST(DecodeAttention, result_of_a_q_head_does_not_depend_on_its_companions) {
  const std::uint32_t d = 80, n = 150;
  FilledCache f(KvType::f16, d, n, 1.0F);
  const std::vector<float> q = f.vector(5 * d, 1.0F);
  for (const SimdPath path : supported_paths()) {
    const ScopedSimdPath scoped(path);
    const Attended together = attend(f, 0, n, q, 5);
    for (std::uint32_t h = 0; h < 5; ++h) {
      const Attended alone = attend(f, 0, n, std::span(q).subspan(h * d, d), 1);
      ASSERT_EQ(std::memcmp(alone.out.data(), together.out.data() + h * d, d * 4), 0) << "q_head " << h;
      ASSERT_EQ(std::memcmp(alone.rows.data(), together.rows.data() + h * attention_row_stride(n), n * 4), 0);
    }
  }
}

TEST(DecodeAttention, long_rows_sum_to_one) {
  const std::uint32_t d = 64, n = 5000;
  FilledCache f(KvType::f32, d, n, 0.3F);
  const std::vector<float> q = f.vector(d, 0.3F);
  for (const SimdPath path : supported_paths()) {
    const ScopedSimdPath scoped(path);
    const Attended got = attend(f, 1, n, q, 1);
    double sum = 0;
    for (std::uint32_t i = 0; i < n; ++i) sum += static_cast<double>(got.rows[i]);
    EXPECT_NEAR(sum, 1.0, 1e-6) << to_string(path);
  }
}

TEST(DecodeAttention, survives_scores_far_apart) {
  FilledCache f(KvType::f32, 64, 70, 1000.0F);
  const std::vector<float> q = f.vector(64, 1000.0F);
  for (const SimdPath path : supported_paths()) {
    const ScopedSimdPath scoped(path);
    const Attended got = attend(f, 1, 70, q, 1);
    const Reference want = reference(f, 1, 70, q);
    for (std::uint32_t i = 0; i < 70; ++i) ASSERT_NEAR(got.rows[i], want.row[i], 1e-6) << to_string(path);
  }
}

TEST(DecodeAttention, ignores_what_lies_behind_the_last_position) {
  FilledCache f(KvType::f16, 64, 70, 1.0F);
  const std::vector<float> q = f.vector(64, 1.0F);
  const Attended before = attend(f, 1, 66, q, 1);
  const std::vector<float> poison(3 * 64, NAN);
  for (std::uint32_t i = 66; i < 70; ++i) f.cache.store(1, i, f.stored(poison), f.stored(poison));
  const Attended after = attend(f, 1, 66, q, 1);
  EXPECT_EQ(std::memcmp(before.out.data(), after.out.data(), 64 * 4), 0);
  EXPECT_EQ(std::memcmp(before.rows.data(), after.rows.data(), 66 * 4), 0);
}

TEST(DecodeAttention, a_nan_key_makes_the_row_nan) {
  FilledCache f(KvType::f16, 64, 70, 1.0F);
  const std::vector<float> q = f.vector(64, 1.0F);
  std::vector<float> poison(3 * 64, 0.0F);
  poison[64 + 5] = NAN;
  f.cache.store(1, 3, f.stored(poison), f.stored(poison));
  for (const SimdPath path : supported_paths()) {
    const ScopedSimdPath scoped(path);
    const Attended got = attend(f, 1, 70, q, 1);
    for (std::uint32_t i = 0; i < 70; ++i) ASSERT_TRUE(std::isnan(got.rows[i])) << to_string(path) << " " << i;
  }
}

TEST(KvCache, grows_by_pages_and_keeps_what_it_held) {
  FilledCache f(KvType::f32, 16, 60, 1.0F);
  const std::vector<float> q = f.vector(16, 1.0F);
  const Attended before = attend(f, 1, 60, q, 1);
  f.cache.reserve(1000);
  EXPECT_EQ(before.out, attend(f, 1, 60, q, 1).out);
  EXPECT_EQ(f.cache.bytes(64), 64u * 2 * 3 * 2 * 16 * 4);
  EXPECT_EQ(f.cache.bytes(65), 2 * f.cache.bytes(64));
}

}  // namespace
}  // namespace kvwave::kernels
