// A layer of random queries, keys and values for tests of the replay device, with groups of nearly equal keys (so that
// R-KV finds duplicates) and some exactly equal ones (so that rows have ties).
#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/device.h"
#include "kernels/replay_device.h"

namespace kvwave::testing {

/// Tests that need a CUDA device, simulated or real; skipped where there is none.
class ReplayOnDevice : public ::testing::Test {
 protected:
  void SetUp() override {
    const kernels::DeviceList list = kernels::list_devices();
    if (list.cuda.empty()) GTEST_SKIP() << "no usable CUDA device: " << list.why_none;
  }
};

struct RandomLayer {
  kernels::ReplayShape shape;
  std::vector<float> q, k, v;  ///< [position, head, channel]

  std::uint32_t group() const { return shape.n_q_heads / shape.n_kv_heads; }
  std::span<const float> query(std::uint32_t position, std::uint32_t q_head) const {
    return line(q, shape.n_q_heads, position, q_head);
  }
  std::span<const float> key(std::uint32_t position, std::uint32_t kv_head) const {
    return line(k, shape.n_kv_heads, position, kv_head);
  }
  std::span<const float> value(std::uint32_t position, std::uint32_t kv_head) const {
    return line(v, shape.n_kv_heads, position, kv_head);
  }

  /// Serves every layer of the shape from this one.
  kernels::LayerSource source() const;
  /// A device that holds it, loaded.
  kernels::ReplayDevice device() const;

 private:
  std::span<const float> line(const std::vector<float>& tensor, std::uint32_t n_heads, std::uint32_t position,
                              std::uint32_t head) const {
    return std::span(tensor).subspan((std::size_t{position} * n_heads + head) * shape.head_dim, shape.head_dim);
  }
};

/// `sharpness`: standard deviation of the logits, roughly.
RandomLayer random_layer(const kernels::ReplayShape& shape, unsigned seed, float sharpness = 1.5F);

/// [n_kv_heads, n_positions]: each position is dropped at a random multiple of `trigger` steps or never.
std::vector<std::int32_t> random_evictions(const kernels::ReplayShape& shape, std::int32_t trigger,
                                           std::mt19937& random);

}  // namespace kvwave::testing
