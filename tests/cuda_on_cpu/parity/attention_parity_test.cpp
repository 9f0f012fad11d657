// A decode step's attention against fp64: rows, outputs, and what is stored on the way.
#include "kernels/half.h"
#include "kernels/transformer_ops.h"
#include "tests/cuda_on_cpu/parity/attention_reference.h"

namespace kvwave::testing {
namespace {

using kernels::KvType;

class AttentionParity : public AttentionComparison {
 protected:
  static void expect_decode(const AttentionCase& c) { expect_parity(c, run_attention(c)); }
};

TEST_F(AttentionParity, every_head_dim) {
  for (const unsigned d : {16U, 64U, 80U, 96U, 128U, 256U}) {
    for (const KvType type : {KvType::f16, KvType::f32}) expect_decode(random_case(3, d, 140, type, 1));
  }
}

TEST_F(AttentionParity, every_group_size) {
  for (const unsigned group : {1U, 2U, 3U, 4U, 5U, 7U, 8U, 16U})
    expect_decode(random_case(group, 64, 60, KvType::f16, 1));
}

TEST_F(AttentionParity, lengths_at_the_edges_of_chunks) {
  for (const unsigned first : {0U, 1U, 126U, 127U, 128U, 255U, 300U}) {
    AttentionCase c = random_case(2, 64, first, KvType::f16, 1);
    c.spare_chunks = first % 3;
    expect_decode(c);
  }
}

TEST_F(AttentionParity, no_query_head_serves_two_blocks_of_a_group_twice) {
  const AttentionCase c = random_case(16, 64, 200, KvType::f32, 1);  // two parts of eight heads, two chunks
  const AttentionResult result = run_attention(c);
  expect_parity(c, result);
  EXPECT_EQ(result.counters_left, 0U) << "the next step would join too early";
}

TEST_F(AttentionParity, large_logits_do_not_overflow) {
  expect_decode(random_case(2, 64, 200, KvType::f32, 300));
}

TEST_F(AttentionParity, equal_keys_share_evenly) {
  AttentionCase c = random_case(1, 64, 199, KvType::f16, 1);
  std::fill(c.k.begin(), c.k.end(), 0.25F);
  for (const auto& row : run_attention(c).rows) {
    for (const float p : row) EXPECT_NEAR(p, 1.0 / 200, 1e-8);
  }
}

TEST_F(AttentionParity, keys_at_minus_infinity_have_no_weight) {
  AttentionCase c = random_case(1, 64, 199, KvType::f32, 1);
  c.q.assign(c.q.size(), 1.0F);
  for (unsigned i = 0; i < 128; ++i) {  // a whole chunk
    for (unsigned j = 0; j < 2 * 64; ++j) c.k[i * 2 * 64 + j] = -INFINITY;
  }
  for (const auto& row : run_attention(c).rows) {
    double sum = 0;
    for (unsigned i = 0; i < 128; ++i) EXPECT_EQ(row[i], 0) << i;
    for (const float p : row) sum += static_cast<double>(p);
    EXPECT_NEAR(sum, 1, 1e-6);
  }
}

TEST_F(AttentionParity, q_k_and_v_are_rotated_rounded_and_stored) {
  for (const KvType type : {KvType::f16, KvType::f32}) {
    for (const bool interleaved : {false, true}) {
      for (const unsigned d : {64U, 80U, 256U}) {
        QkvCase c;
        c.n_q_heads = 3;
        c.n_kv_heads = 2;
        c.head_dim = d;
        c.first = 4;
        c.n_positions = 2;
        c.interleaved = interleaved;
        c.type = type;
        c.q = normal(2 * 3 * d, 1);
        c.k = normal(2 * 2 * d, 2);
        c.v = normal(2 * 2 * d, 3);
        if (d == 80) {
          c.q_norm = normal(d, 4);
          c.k_norm = normal(d, 5);
        }
        for (unsigned i = 0; i < 2 * (d / 2); ++i) {
          c.cosine.push_back(std::cos(static_cast<float>(i)));
          c.sine.push_back(std::sin(static_cast<float>(i)));
        }
        const QkvResult result = run_store_qkv(c);
        const auto expected = [&](std::vector<float> x, unsigned heads, const std::vector<float>& norm, bool rotated) {
          for (unsigned at = 0; at < 2 * heads; ++at) {
            const std::span<float> head{x.data() + std::size_t{at} * d, d};
            if (!norm.empty()) kernels::rms_norm(head, norm, c.epsilon, head);
            const std::span<const float> cosine{c.cosine.data() + at / heads * (d / 2), d / 2};
            const std::span<const float> sine{c.sine.data() + at / heads * (d / 2), d / 2};
            if (rotated && interleaved) kernels::rope_interleaved(head, cosine, sine);
            if (rotated && !interleaved) kernels::rope_half(head, cosine, sine);
          }
          return x;
        };
        const auto compare = [&](const std::vector<float>& actual, const std::vector<float>& reference,
                                 const char* what) {
          ASSERT_EQ(actual.size(), reference.size());
          for (std::size_t i = 0; i < actual.size(); ++i) {
            // Half a unit of the storage type, and the few ulp by which fused operations may differ.
            const double bound = (type == KvType::f16 ? 6e-4 : 3e-7) * (std::fabs(reference[i]) + 0.1);
            ASSERT_NEAR(actual[i], reference[i], bound) << what << " component " << i << ", head_dim " << d;
            EXPECT_EQ(actual[i], as_stored(actual[i], type)) << what << " is not in the storage type";
          }
        };
        compare(result.q, expected(c.q, 3, c.q_norm, true), "q");
        compare(result.k_cache, expected(c.k, 2, c.k_norm, true), "k");
        compare(result.v_cache, expected(c.v, 2, {}, false), "v");
        EXPECT_EQ(result.q_record, result.q);
        EXPECT_EQ(result.k_record, result.k_cache);
        EXPECT_EQ(result.v_record, result.v_cache);
      }
    }
  }
}

}  // namespace
}  // namespace kvwave::testing
