// What the clairvoyant control knows: how much attention each position will still get.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/thread_pool.h"
#include "replay/layer_tensors.h"

namespace kvwave::replay {

class FutureMass {
 public:
  FutureMass() = default;
  /// Recomputes every later row of one layer. `after`: positions p, ascending and distinct, for which after() will be
  /// asked. Throws Error when the answer would take more than 4 GiB.
  FutureMass(const LayerTensors& tensors, std::span<const std::uint32_t> after, kernels::ThreadPool& pool);

  /// [p + 1] sum over rows t > p of the full attn_prob of position i, mean over the group, for i = 0 .. p.
  std::span<const float> after(std::uint32_t kv_head, std::uint32_t position) const;

 private:
  std::vector<std::uint32_t> after_;
  std::vector<std::size_t> start_;        // of each snapshot inside a KV head's part
  std::vector<std::vector<float>> mass_;  // [n_kv_heads]
};

}  // namespace kvwave::replay
