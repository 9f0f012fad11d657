// Lists of positions that follow from visibility words, kept while the words stay as they are.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace kvwave::replay {

/// Positions sorted by who sees them, for up to 64 columns.
class SeenPositions {
 public:
  /// Rebuilds the lists unless `generation` is that of the last call and all positions that were added since are seen
  /// by every column. words: one per position.
  void update(std::span<const std::uint64_t> words, std::uint32_t n_columns, std::uint64_t generation);

  /// Positions that every column sees.
  std::span<const std::uint32_t> common() const { return common_; }
  /// What column c sees beyond the common ones.
  std::span<const std::uint32_t> seen(std::uint32_t column) const { return seen_[column]; }
  /// What column c does not see.
  std::span<const std::uint32_t> hidden(std::uint32_t column) const { return hidden_[column]; }

 private:
  std::uint64_t generation_ = 0;
  std::uint32_t n_columns_ = 0;
  std::size_t n_positions_ = 0;
  std::vector<std::uint32_t> common_;
  std::vector<std::vector<std::uint32_t>> seen_, hidden_;
};

}  // namespace kvwave::replay
