#include "tests/cuda_on_cpu/replay/random_layer.h"

#include <algorithm>
#include <cmath>

namespace kvwave::testing {

RandomLayer random_layer(const kernels::ReplayShape& shape, unsigned seed, float sharpness) {
  RandomLayer layer;
  layer.shape = shape;
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  const std::size_t per_head = std::size_t{shape.n_positions} * shape.head_dim;
  const auto fill = [&](std::vector<float>& tensor, std::uint32_t n_heads, float scale) {
    tensor.resize(per_head * n_heads);
    for (float& x : tensor) x = scale * normal(random);
  };
  fill(layer.q, shape.n_q_heads, sharpness);
  fill(layer.k, shape.n_kv_heads, 1.0F);
  fill(layer.v, shape.n_kv_heads, 1.0F);
  // Every third key is close to, every seventh equal to an earlier one.
  const std::size_t line = std::size_t{shape.n_kv_heads} * shape.head_dim;
  for (std::size_t p = 3; p < shape.n_positions; ++p) {
    if (p % 3 != 0 && p % 7 != 0) continue;
    const std::size_t from = random() % p;
    for (std::size_t c = 0; c < line; ++c) {
      layer.k[p * line + c] = layer.k[from * line + c] + (p % 7 == 0 ? 0.0F : 0.3F * normal(random));
    }
  }
  return layer;
}

kernels::LayerSource RandomLayer::source() const {
  return [this](kernels::LayerTensor tensor, std::uint32_t, std::uint32_t begin, std::uint32_t end,
                std::span<float> out) {
    const std::vector<float>& from = tensor == kernels::LayerTensor::q ? q : tensor == kernels::LayerTensor::k ? k : v;
    const std::size_t n_heads = tensor == kernels::LayerTensor::q ? shape.n_q_heads : shape.n_kv_heads;
    const std::size_t size = n_heads * shape.head_dim;
    std::copy(from.begin() + static_cast<std::ptrdiff_t>(begin * size),
              from.begin() + static_cast<std::ptrdiff_t>(end * size), out.begin());
  };
}

// Nothing is read ahead: one layer serves all.
kernels::ReplayDevice RandomLayer::device() const {
  kernels::ReplayDevice device(0, shape, source(), {.prefetch = false});
  device.load(0);
  return device;
}

std::vector<std::int32_t> random_evictions(const kernels::ReplayShape& shape, std::int32_t trigger,
                                           std::mt19937& random) {
  const auto n_steps = static_cast<std::int32_t>(shape.n_positions - shape.n_prompt);
  std::vector<std::int32_t> evicted_at(std::size_t{shape.n_kv_heads} * shape.n_positions);
  for (std::size_t i = 0; i < evicted_at.size(); ++i) {
    const auto position = static_cast<std::int32_t>(i % shape.n_positions);
    const std::int32_t earliest = std::max(0, position - static_cast<std::int32_t>(shape.n_prompt) + 1);
    const std::int32_t step = (earliest + static_cast<std::int32_t>(random() % 60) + trigger - 1) / trigger * trigger;
    evicted_at[i] = random() % 3 == 0 || step >= n_steps ? 2147483647 : step;
  }
  return evicted_at;
}

}  // namespace kvwave::testing
