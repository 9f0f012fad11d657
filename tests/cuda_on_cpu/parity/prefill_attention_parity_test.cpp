// Attention of a block of prompt positions on tensor cores against fp64.
#include "tests/cuda_on_cpu/parity/attention_reference.h"

namespace kvwave::testing {
namespace {

using kernels::KvType;

class PrefillAttentionParity : public AttentionComparison {
 protected:
  static void expect_prefill(const AttentionCase& c) { expect_parity(c, run_prefill_attention(c)); }
};

TEST_F(PrefillAttentionParity, every_head_dim) {
  for (const unsigned d : {16U, 64U, 96U, 256U}) expect_prefill(random_case(1, d, 30, KvType::f16, 1, 5));
  for (const unsigned d : {64U, 80U, 128U, 256U}) expect_prefill(random_case(1, d, 30, KvType::f32, 1, 5));
}

TEST_F(PrefillAttentionParity, every_group_size) {
  for (const unsigned group : {1U, 2U, 3U, 4U, 5U, 7U, 8U}) {
    expect_prefill(random_case(group, 16, 3, KvType::f16, 1, 2));
  }
}

TEST_F(PrefillAttentionParity, numbers_of_queries_at_the_edges_of_tiles) {
  for (const unsigned n_queries : {1U, 15U, 17U, 64U, 65U}) {
    expect_prefill(random_case(1, 16, 0, KvType::f16, 1, n_queries));
  }
}

TEST_F(PrefillAttentionParity, lengths_of_the_past_at_the_edges_of_tiles) {
  for (const unsigned first : {1U, 30U, 31U, 32U, 33U, 95U}) {
    expect_prefill(random_case(1, 64, first, KvType::f32, 1, 2));
  }
}

TEST_F(PrefillAttentionParity, large_logits_do_not_overflow) {
  expect_prefill(random_case(2, 64, 60, KvType::f32, 300, 3));
}

TEST_F(PrefillAttentionParity, keys_at_minus_infinity_have_no_weight) {
  AttentionCase c = random_case(1, 64, 99, KvType::f32, 1, 2);
  const AttentionCase seen = c;
  c.q.assign(c.q.size(), 1.0F);
  for (unsigned i = 0; i < 64; ++i) {                                    // whole tiles
    for (unsigned j = 0; j < 2 * 64; ++j) c.k[i * 2 * 64 + j] = -3e37F;  // a logit of -inf
  }
  // The same as if they were not there.
  AttentionCase rest = seen;
  rest.q = c.q;
  rest.first = 99 - 64;
  rest.k.erase(rest.k.begin(), rest.k.begin() + 64 * 2 * 64);
  rest.v.erase(rest.v.begin(), rest.v.begin() + 64 * 2 * 64);
  const AttentionResult all = run_prefill_attention(c), some = run_prefill_attention(rest);
  for (std::size_t i = 0; i < all.out.size(); ++i) ASSERT_NEAR(all.out[i], some.out[i], 1e-6) << "component " << i;
}

}  // namespace
}  // namespace kvwave::testing
