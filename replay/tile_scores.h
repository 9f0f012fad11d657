// What evaluation measures on the rows of one KV head over a few steps, and where it puts the figures.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "replay/sequence.h"

namespace kvwave::replay {

/// Which figures are computed.
struct Metrics {
  bool mass = true;        ///< retained mass; always on
  bool error = true;       ///< attention-output error and its bound
  bool recall = true;      ///< recall of the row's top 32, and positions needed after eviction
  std::uint32_t page = 1;  ///< entries of a cache are held in whole pages of this many
};

inline constexpr std::uint32_t kRecallSize = 32;
inline constexpr float kNeededShare = 0.01F;  ///< of a row: an evicted position above it was needed

/// Figures per (q_head, step, column) of one layer over steps [begin, end). Columns are contiguous.
class LayerScores {
 public:
  void reset(const Sequence& sequence, const Metrics& metrics, std::uint32_t n_columns, std::uint32_t begin,
             std::uint32_t end);

  std::uint32_t begin() const { return begin_; }
  std::uint32_t end() const { return end_; }
  std::uint32_t n_columns() const { return n_columns_; }

  // One line of n_columns() values, or one value, per (q_head, step); step is absolute.
  std::span<float> mass(std::uint32_t q_head, std::uint32_t step) { return line(mass_, q_head, step); }
  std::span<float> square_error(std::uint32_t q_head, std::uint32_t step) { return line(error_, q_head, step); }
  std::span<float> recall(std::uint32_t q_head, std::uint32_t step) { return line(recall_, q_head, step); }
  /// Mass that the trace did not store: retained mass lies within [mass, mass + unknown].
  float& unknown(std::uint32_t q_head, std::uint32_t step) { return unknown_[row(q_head, step)]; }
  bool any_unknown() const;
  float& square_output(std::uint32_t q_head, std::uint32_t step) { return output_[row(q_head, step)]; }
  /// Largest |v| that the row could see.
  float& max_value(std::uint32_t q_head, std::uint32_t step) { return max_value_[row(q_head, step)]; }

 private:
  std::size_t row(std::uint32_t q_head, std::uint32_t step) const {
    return std::size_t{q_head} * (end_ - begin_) + (step - begin_);
  }
  std::span<float> line(std::vector<float>& values, std::uint32_t q_head, std::uint32_t step) const {
    const std::size_t at = std::size_t{step - begin_} * n_q_heads_ + q_head;  // in the order in which they are summed
    return std::span(values).subspan(at * n_columns_, n_columns_);
  }

  std::uint32_t begin_ = 0, end_ = 0, n_columns_ = 0, n_q_heads_ = 0;
  std::vector<float> mass_, error_, recall_, unknown_, output_, max_value_;
};

}  // namespace kvwave::replay
