// Who sees what, turned into the least work: for up to 64 columns an order in which the sum over what a column sees
// follows from that of an earlier column by the few positions in which they differ. Kept while the words stay as they
// are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace kvwave::replay {

class SeenPositions {
 public:
  static constexpr std::uint32_t kMostColumns = 64;
  /// What a step starts from when it is no column: what all columns see, or what any of them sees.
  static constexpr std::uint32_t kCommon = kMostColumns, kAnyone = kMostColumns + 1;
  static constexpr std::uint32_t kNodes = kMostColumns + 2;

  /// The sum of `column` is that of `parent` plus the positions added() minus the positions removed().
  struct Step {
    std::uint32_t column = 0, parent = kCommon;
    std::size_t begin = 0, n_added = 0, n_removed = 0;  // in positions_
  };

  /// Rebuilds everything unless `generation` is that of the last call and all positions that were added since are seen
  /// by every column. words: one per position.
  void update(std::span<const std::uint64_t> words, std::uint32_t n_columns, std::uint64_t generation);

  /// Positions that every column sees.
  std::span<const std::uint32_t> common() const { return common_; }
  /// Positions that some columns see and others do not; with common() what kAnyone sees.
  std::span<const std::uint32_t> some() const { return some_; }
  /// out = what column c sees beyond the common ones.
  void seen(std::uint32_t column, std::vector<std::uint32_t>& out) const;
  /// Whether there is something that column c does not see.
  bool hides(std::uint32_t column) const { return n_nobody_ > 0 || n_seen_[column] < some_.size(); }

  /// One per column; a parent comes before its children.
  std::span<const Step> steps() const { return steps_; }
  std::span<const std::uint32_t> added(const Step& step) const {
    return std::span(positions_).subspan(step.begin, step.n_added);
  }
  std::span<const std::uint32_t> removed(const Step& step) const {
    return std::span(positions_).subspan(step.begin + step.n_added, step.n_removed);
  }
  /// Whether some step starts from `node`.
  bool is_parent(std::uint32_t node) const { return (parents_[node / 64] >> node % 64 & 1U) != 0; }

 private:
  void find_steps();
  void add_step(std::uint32_t column, std::uint32_t parent);
  std::span<const std::uint64_t> bits(std::uint32_t column) const {
    return std::span(bits_).subspan(column * n_words_, n_words_);
  }

  std::uint64_t generation_ = 0;
  std::uint32_t n_columns_ = 0;
  std::size_t n_positions_ = 0, n_nobody_ = 0, n_words_ = 0;
  std::vector<std::uint32_t> common_, some_;
  std::vector<std::uint64_t> bits_;     // [column, n_words_] bit i of a line: sees some_[i]
  std::vector<std::uint64_t> nothing_;  // [n_words_] a line of no bits
  std::vector<std::uint32_t> n_seen_;   // [column] bits of its line
  std::vector<Step> steps_;
  std::vector<std::uint32_t> positions_;
  std::uint64_t parents_[2] = {};
};

}  // namespace kvwave::replay
