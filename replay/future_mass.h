// What the clairvoyant control knows: how much attention each position will still get.
#pragma once

#include <cstdint>
#include <functional>
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
  /// segment_mass(first, end): [n_kv_heads, n_positions] what each position gets from rows first .. end - 1, group
  /// mean.
  using SegmentMass = std::function<std::vector<double>(std::uint32_t first, std::uint32_t end)>;
  /// The same from sums that are computed elsewhere.
  FutureMass(const Sequence& sequence, std::span<const std::uint32_t> after, const SegmentMass& segment_mass);

  /// [p + 1] sum over rows t > p of the full attn_prob of position i, mean over the group, for i = 0 .. p.
  std::span<const float> after(std::uint32_t kv_head, std::uint32_t position) const;

 private:
  FutureMass(const Sequence& sequence, std::span<const std::uint32_t> after);
  // One past the last row of segment s, which starts behind after_[s].
  std::uint32_t segment_end(std::size_t s, const Sequence& sequence) const;
  // segment: [n_kv_heads, n_segments] sums over the rows of each segment.
  void accumulate(std::vector<std::vector<double>>& segment);

  std::vector<std::uint32_t> after_;
  std::vector<std::size_t> start_;        // of each snapshot inside a KV head's part
  std::vector<std::vector<float>> mass_;  // [n_kv_heads]
};

}  // namespace kvwave::replay
