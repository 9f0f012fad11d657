// Attention rows of one q_head for the attention figures: exact ones from q and k where the trace has them, else the
// stored ones with their residual mass.
#pragma once

#include <span>
#include <vector>

#include "viewer/model/figure_inputs.h"

namespace kvwave::viewer {

class HeadRows {
 public:
  /// Rows of the selected layer and q_head. Throws NotThere when the trace has neither qkv nor attention.
  explicit HeadRows(const FigureInputs& in);

  bool exact() const { return exact_; }
  std::uint32_t first_row() const { return exact_ ? 0 : in_.snapshot().info.first_row; }
  /// attn_prob of positions [0, position]; valid until the next call. Not stored = 0.
  std::span<const double> row(std::uint32_t position);
  /// Mass of the last row that is not in it; 0 for exact rows.
  double residual() const { return residual_; }

 private:
  const FigureInputs& in_;
  bool exact_;
  double residual_ = 0;
  std::vector<float> queries_;  // block of [kBlock, Hq, d]
  std::uint32_t block_begin_ = 0, block_end_ = 0;
  std::vector<double> row_;
  traces::AttentionRows stored_;
};

}  // namespace kvwave::viewer
