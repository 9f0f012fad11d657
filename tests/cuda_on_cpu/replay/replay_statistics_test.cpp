// Statistics and selections of refreshes on the device against the CPU's kernels.
#include <algorithm>
#include <numeric>
#include <random>

#include <gtest/gtest.h>

#include "alloc/allocator.h"
#include "kernels/error.h"
#include "kernels/rkv_importance.h"
#include "kernels/rkv_redundancy.h"
#include "tests/cuda_on_cpu/replay/random_layer.h"

namespace kvwave::testing {
namespace {

using kernels::CacheStatistics;
using kernels::CacheStatisticsRequest;

// The bounds that rkv_batch.cuh states.
constexpr float kImportanceBound = 2e-6F;
constexpr float kRedundancyBound = 1e-6F;

std::vector<float> keys_of(const RandomLayer& layer, std::uint32_t kv_head) {
  std::vector<float> keys;
  for (std::uint32_t p = 0; p < layer.shape.n_positions; ++p) {
    const std::span<const float> key = layer.key(p, kv_head);
    keys.insert(keys.end(), key.begin(), key.end());
  }
  return keys;
}

CacheStatistics on_the_cpu(const RandomLayer& layer, const CacheStatisticsRequest& request) {
  const std::vector<float> keys = keys_of(layer, request.kv_head);
  std::vector<float> unit(keys.size());
  kernels::unit_keys(keys, layer.shape.head_dim, unit);
  kernels::KeyPanels panels;
  CacheStatistics out;
  if (request.importance) {
    std::vector<float> query;
    for (std::uint32_t p = request.first_query; p < request.first_query + request.n_queries; ++p) {
      for (std::uint32_t g = 0; g < layer.group(); ++g) {
        const std::span<const float> line = layer.query(p, request.kv_head * layer.group() + g);
        query.insert(query.end(), line.begin(), line.end());
      }
    }
    kernels::ImportanceShape shape;
    shape.n_queries = request.n_queries;
    shape.group = layer.group();
    shape.n_candidates = request.n_candidates;
    shape.pool_kernel = request.pool_kernel;
    shape.round_bf16 = request.round_bf16;
    panels.gather(keys, layer.shape.head_dim, request.slots);
    out.importance.resize(request.n_candidates);
    kernels::ImportanceScratch scratch;
    kernels::rkv_importance(query, panels, shape, out.importance, scratch);
  }
  if (request.redundancy) {
    panels.gather(unit, layer.shape.head_dim, request.slots);
    out.redundancy.resize(request.n_candidates);
    out.retained.resize(request.slots.size());
    kernels::RedundancyScratch scratch;
    kernels::rkv_redundancy(unit, request.slots, panels, request.similarity_threshold, out.redundancy, out.retained,
                            scratch);
  }
  return out;
}

void expect_near(std::span<const float> actual, std::span<const float> expected, float bound) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) {
    EXPECT_NEAR(actual[i], expected[i], bound * expected[i] + 1e-30F) << "slot " << i;
  }
}

// Caches of several sizes in one batch, as a sweep makes them: random subsets, in random slot order.
class Caches {
 public:
  Caches(const RandomLayer& layer, unsigned seed) : layer_(layer), random_(seed) {}

  void add(std::uint32_t n_residents, std::uint32_t window, std::uint32_t pool_kernel) {
    std::vector<std::uint32_t>& slots = slots_.emplace_back(layer_.shape.n_positions);
    std::iota(slots.begin(), slots.end(), 0U);
    std::shuffle(slots.begin(), slots.end(), random_);
    slots.resize(n_residents);
    CacheStatisticsRequest request;
    request.kv_head = static_cast<std::uint32_t>(random_() % layer_.shape.n_kv_heads);
    request.n_candidates = n_residents - std::min(n_residents, window);
    request.n_queries = std::max(1U, window);
    request.first_query = layer_.shape.n_positions - request.n_queries;
    request.importance = request.redundancy = true;
    request.pool_kernel = pool_kernel;
    requests_.push_back(request);
  }

  std::span<CacheStatisticsRequest> requests() {
    for (std::size_t i = 0; i < slots_.size(); ++i) requests_[i].slots = slots_[i];
    return requests_;
  }

 private:
  const RandomLayer& layer_;
  std::mt19937 random_;
  std::vector<std::vector<std::uint32_t>> slots_;
  std::vector<CacheStatisticsRequest> requests_;
};

void expect_parity(const RandomLayer& layer, std::span<const CacheStatisticsRequest> requests) {
  kernels::ReplayDevice device = layer.device();
  const std::vector<CacheStatistics> actual = device.statistics(requests);
  ASSERT_EQ(actual.size(), requests.size());
  for (std::size_t i = 0; i < requests.size(); ++i) {
    SCOPED_TRACE(::testing::Message() << "cache " << i << " of " << requests[i].slots.size() << " residents");
    const CacheStatistics expected = on_the_cpu(layer, requests[i]);
    expect_near(actual[i].importance, expected.importance, kImportanceBound);
    expect_near(actual[i].redundancy, expected.redundancy, kRedundancyBound);
    EXPECT_EQ(actual[i].retained, expected.retained);
  }
}

kernels::ReplayShape shape_of(std::uint32_t group, std::uint32_t head_dim, std::uint32_t n_positions) {
  return {.n_layers = 1,
          .n_q_heads = 2 * group,
          .n_kv_heads = 2,
          .head_dim = head_dim,
          .n_positions = n_positions,
          .n_prompt = n_positions / 4};
}

TEST_F(ReplayOnDevice, statistics_equal_the_cpu_for_every_number_of_residents) {
  const RandomLayer layer = random_layer(shape_of(3, 64, 300), 11);
  Caches caches(layer, 12);
  for (const std::uint32_t n : {1U, 2U, 31U, 32U, 33U, 63U, 64U, 65U, 127U, 129U, 255U, 256U, 257U}) {
    caches.add(n, n < 9 ? 0 : 8, 7);
    caches.add(n, n, 3);  // all of it is the window: no candidates
  }
  expect_parity(layer, caches.requests());
}

TEST_F(ReplayOnDevice, statistics_equal_the_cpu_for_every_group_and_head_dim) {
  for (const std::uint32_t head_dim : {8U, 64U, 80U, 96U, 128U, 256U}) {
    for (const std::uint32_t group : {1U, 2U, 3U, 4U, 5U, 7U, 8U}) {
      SCOPED_TRACE(::testing::Message() << "head_dim " << head_dim << ", group " << group);
      const RandomLayer layer = random_layer(shape_of(group, head_dim, 70), head_dim + group);
      Caches caches(layer, group);
      caches.add(67, 8, 7);
      caches.add(40, 5, 1);
      caches.add(1, 0, 255);
      expect_parity(layer, caches.requests());
    }
  }
}

TEST_F(ReplayOnDevice, statistics_follow_each_request_s_own_parameters) {
  const RandomLayer layer = random_layer(shape_of(2, 64, 120), 21, 6.0F);  // large logits
  Caches caches(layer, 22);
  for (int i = 0; i < 5; ++i) caches.add(100, 8, 7);
  const std::span<CacheStatisticsRequest> requests = caches.requests();
  requests[0].importance = false;
  requests[1].redundancy = false;
  requests[2].similarity_threshold = 0.95F;
  requests[3].similarity_threshold = -1.0F;  // the newest other slot is always a duplicate
  requests[4].similarity_threshold = 1.0F;   // nothing is: column 0 pays for every row
  expect_parity(layer, requests);
}

TEST_F(ReplayOnDevice, rounding_to_bf16_gives_the_cpu_s_values_up_to_one_step) {
  const RandomLayer layer = random_layer(shape_of(2, 64, 120), 31);
  Caches caches(layer, 32);
  caches.add(100, 8, 7);
  const std::span<CacheStatisticsRequest> requests = caches.requests();
  requests[0].round_bf16 = true;
  const CacheStatistics expected = on_the_cpu(layer, requests[0]);
  expect_near(layer.device().statistics(requests)[0].importance, expected.importance, 1.0F / 128);
}

TEST_F(ReplayOnDevice, no_request_is_no_work) {
  const RandomLayer layer = random_layer(shape_of(1, 64, 10), 1);
  kernels::ReplayDevice device = layer.device();
  EXPECT_TRUE(device.statistics({}).empty());
  EXPECT_TRUE(device.select_top({}).empty());
}

TEST_F(ReplayOnDevice, selection_takes_the_best_and_the_lower_slot_of_equal_ones) {
  const RandomLayer layer = random_layer(shape_of(1, 64, 10), 1);
  kernels::ReplayDevice device = layer.device();
  std::mt19937 random(41);
  std::vector<std::vector<float>> scores;
  for (const std::size_t n : {1U, 31U, 32U, 33U, 255U, 256U, 257U, 700U}) {
    std::vector<float>& score = scores.emplace_back(n);
    for (float& x : score) x = static_cast<float>(random() % 20) - 10.0F;  // many ties
  }
  scores.emplace_back();  // no candidate
  scores.push_back(std::vector(100, 0.0F));
  std::vector<kernels::SelectionRequest> requests;
  for (const std::vector<float>& score : scores) {
    for (const std::size_t kept : {std::size_t{0}, score.size() / 3, score.size()}) {
      requests.push_back({score, static_cast<std::uint32_t>(kept)});
    }
  }
  const std::vector<std::vector<std::uint32_t>> actual = device.select_top(requests);
  ASSERT_EQ(actual.size(), requests.size());
  for (std::size_t i = 0; i < requests.size(); ++i) {
    EXPECT_EQ(actual[i], alloc::select_top(requests[i].score, requests[i].n_kept)) << "selection " << i;
  }
}

TEST_F(ReplayOnDevice, refuses_shapes_that_the_kernels_cannot_hold) {
  for (const std::uint32_t head_dim : {0U, 6U, 260U}) {
    const RandomLayer layer = random_layer(shape_of(1, head_dim, 4), 1);
    EXPECT_THROW(layer.device(), kernels::Error) << head_dim;
  }
  const RandomLayer wide = random_layer(shape_of(33, 8, 4), 1);
  EXPECT_THROW(wide.device(), kernels::Error);
}

}  // namespace
}  // namespace kvwave::testing
