#include "replay/seen_positions.h"

#include <algorithm>
#include <array>
#include <bit>

#include "kernels/retained_mass.h"

namespace kvwave::replay {

namespace {

// from & ~without as positions.
void append_bits(std::span<const std::uint64_t> from, std::span<const std::uint64_t> without,
                 std::span<const std::uint32_t> position, std::vector<std::uint32_t>& out) {
  for (std::size_t w = 0; w < from.size(); ++w) {
    for (std::uint64_t left = from[w] & ~without[w]; left != 0; left &= left - 1) {
      out.push_back(position[w * 64 + static_cast<std::size_t>(std::countr_zero(left))]);
    }
  }
}

// Bit j of word i becomes bit i of word j: halves change places across the diagonal, then halves of the halves.
void transpose(std::array<std::uint64_t, 64>& word) {
  std::uint64_t low = 0xFFFFFFFF;  // of each pair of parts, the lower one
  for (std::size_t size = 32; size > 0; size /= 2, low ^= low << size) {
    for (std::size_t first = 0; first < 64; first = ((first | size) + 1) & ~size) {
      const std::uint64_t differ = ((word[first] >> size) ^ word[first + size]) & low;
      word[first] ^= differ << size;
      word[first + size] ^= differ;
    }
  }
}

}  // namespace

void SeenPositions::update(std::span<const std::uint64_t> words, std::uint32_t n_columns, std::uint64_t generation) {
  const std::uint64_t everybody = n_columns == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << n_columns) - 1;
  const bool same = generation == generation_ && n_columns == n_columns_ && words.size() >= n_positions_ &&
                    std::all_of(words.begin() + static_cast<std::ptrdiff_t>(n_positions_), words.end(),
                                [&](std::uint64_t word) { return word == everybody; });
  if (same) {
    for (; n_positions_ < words.size(); ++n_positions_) common_.push_back(static_cast<std::uint32_t>(n_positions_));
    return;
  }
  generation_ = generation;
  n_columns_ = n_columns;
  n_positions_ = words.size();
  n_nobody_ = 0;
  common_.clear();
  some_.clear();
  for (std::uint32_t i = 0; i < words.size(); ++i) {
    if (words[i] == everybody) {
      common_.push_back(i);
    } else if (words[i] == 0) {
      ++n_nobody_;
    } else {
      some_.push_back(i);
    }
  }
  n_words_ = (some_.size() + 63) / 64;
  bits_.resize(n_words_ * n_columns);
  for (std::size_t w = 0; w < n_words_; ++w) {
    std::array<std::uint64_t, 64> block{};
    const std::size_t first = w * 64, n = std::min<std::size_t>(64, some_.size() - first);
    for (std::size_t i = 0; i < n; ++i) block[i] = words[some_[first + i]];
    transpose(block);
    for (std::size_t c = 0; c < n_columns; ++c) bits_[c * n_words_ + w] = block[c];
  }
  nothing_.assign(n_words_, 0);
  n_seen_.resize(n_columns);
  kernels::bit_distances(nothing_, bits_, n_seen_);
  find_steps();
}

void SeenPositions::seen(std::uint32_t column, std::vector<std::uint32_t>& out) const {
  out.clear();
  append_bits(bits(column), nothing_, some_, out);
}

// The cheapest tree over the columns and the two starting points (Prim), ties to the lower column.
void SeenPositions::find_steps() {
  steps_.clear();
  positions_.clear();
  parents_[0] = parents_[1] = 0;
  std::array<std::uint32_t, kMostColumns> cost{}, parent{}, distance{};
  for (std::uint32_t c = 0; c < n_columns_; ++c) {
    const auto hidden = static_cast<std::uint32_t>(some_.size() - n_seen_[c]);
    const bool from_anyone = hidden < n_seen_[c];
    cost[c] = from_anyone ? hidden : n_seen_[c];
    parent[c] = from_anyone ? kAnyone : kCommon;
  }
  std::uint64_t left = n_columns_ == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << n_columns_) - 1;
  while (left != 0) {
    auto next = static_cast<std::uint32_t>(std::countr_zero(left));
    for (std::uint64_t others = left; others != 0; others &= others - 1) {
      const auto c = static_cast<std::uint32_t>(std::countr_zero(others));
      if (cost[c] < cost[next]) next = c;
    }
    left &= ~(std::uint64_t{1} << next);
    add_step(next, parent[next]);
    if (left == 0) break;
    kernels::bit_distances(bits(next), bits_, std::span(distance).first(n_columns_));
    for (std::uint64_t others = left; others != 0; others &= others - 1) {
      const auto c = static_cast<std::uint32_t>(std::countr_zero(others));
      if (distance[c] >= cost[c]) continue;
      cost[c] = distance[c];
      parent[c] = next;
    }
  }
}

void SeenPositions::add_step(std::uint32_t column, std::uint32_t parent) {
  Step step{.column = column, .parent = parent, .begin = positions_.size()};
  if (parent == kCommon) {
    append_bits(bits(column), nothing_, some_, positions_);
    step.n_added = positions_.size() - step.begin;
  } else if (parent == kAnyone) {
    const std::span<const std::uint64_t> own = bits(column);
    for (std::size_t i = 0; i < some_.size(); ++i) {
      if ((own[i / 64] >> i % 64 & 1U) == 0) positions_.push_back(some_[i]);
    }
    step.n_removed = positions_.size() - step.begin;
  } else {
    append_bits(bits(column), bits(parent), some_, positions_);
    step.n_added = positions_.size() - step.begin;
    append_bits(bits(parent), bits(column), some_, positions_);
    step.n_removed = positions_.size() - step.begin - step.n_added;
  }
  parents_[parent / 64] |= std::uint64_t{1} << parent % 64;
  steps_.push_back(step);
}

}  // namespace kvwave::replay
