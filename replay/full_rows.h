// Private to replay: the attention rows of one layer that phase 1 looks at, computed once for all strategies. Unlike
// the rows of phase 2 they are equal bit by bit on every instruction set, because decisions hang on them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "alloc/residents.h"
#include "kernels/key_panels.h"
#include "kernels/thread_pool.h"
#include "replay/layer_tensors.h"

namespace kvwave::replay {

class FullRows {
 public:
  static constexpr std::uint32_t kBlock = 16;  ///< positions computed together

  /// `tensors` must outlive it.
  explicit FullRows(const LayerTensors& tensors);

  /// Rows of the query positions first .. first + n_rows - 1, n_rows at most kBlock.
  void compute(std::uint32_t first, std::uint32_t n_rows, kernels::ThreadPool& pool);

  /// [position + 1] exp(logit - largest logit of the row), the softmax before its division.
  std::span<const float> weights(std::uint32_t q_head, std::uint32_t position) const;

 private:
  const LayerTensors& tensors_;
  std::vector<kernels::KeyPanels> panels_;  // [Hkv] of all positions
  std::uint32_t first_ = 0;
  std::size_t stride_;
  std::vector<float> weight_;  // [Hq, kBlock, stride]
};

/// Query heads first .. first + count - 1, whose rows become one.
struct RowHeads {
  std::uint32_t first = 0, count = 0;
};

/// row[j] = the reduction over `heads` of each head's softmax over the positions slots[.] alone; 0 for a head that
/// gives them nothing. Sums in fp64 in the order of slots.
void restricted_row(const FullRows& rows, RowHeads heads, std::uint32_t position, std::span<const std::uint32_t> slots,
                    alloc::RowReduction reduction, std::vector<float>& row);

}  // namespace kvwave::replay
