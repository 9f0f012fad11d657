#include "replay/tile_scores.h"

#include <algorithm>

namespace kvwave::replay {

void LayerScores::reset(const Sequence& sequence, const Metrics& metrics, std::uint32_t n_columns, std::uint32_t begin,
                        std::uint32_t end) {
  begin_ = begin;
  end_ = end;
  n_columns_ = n_columns;
  n_q_heads_ = sequence.n_q_heads;
  const std::size_t rows = std::size_t{sequence.n_q_heads} * (end - begin);
  mass_.resize(rows * n_columns);  // every line is written
  error_.assign(metrics.error ? rows * n_columns : 0, 0.0F);
  recall_.assign(metrics.recall ? rows * n_columns : 0, 0.0F);
  unknown_.assign(rows, 0.0F);
  output_.assign(metrics.error ? rows : 0, 0.0F);
  max_value_.assign(metrics.error ? rows : 0, 0.0F);
}

bool LayerScores::any_unknown() const {
  return std::any_of(unknown_.begin(), unknown_.end(), [](float mass) { return mass > 0; });
}

}  // namespace kvwave::replay
