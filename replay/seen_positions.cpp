#include "replay/seen_positions.h"

#include <algorithm>

namespace kvwave::replay {

void SeenPositions::update(std::span<const std::uint64_t> words, std::uint32_t n_columns, std::uint64_t generation) {
  const std::uint64_t everybody = n_columns == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << n_columns) - 1;
  const auto seen_by_all = [&](std::uint64_t word) { return word == everybody; };
  const bool same = generation == generation_ && n_columns == n_columns_ && words.size() >= n_positions_ &&
                    std::all_of(words.begin() + static_cast<std::ptrdiff_t>(n_positions_), words.end(), seen_by_all);
  if (!same) {
    n_positions_ = 0;
    common_.clear();
    // Cleared one by one: where words change in every step, their memory is used again and again.
    for (std::vector<std::vector<std::uint32_t>>* const lists : {&seen_, &hidden_}) {
      lists->resize(n_columns);
      for (std::vector<std::uint32_t>& list : *lists) list.clear();
    }
  }
  for (; n_positions_ < words.size(); ++n_positions_) {
    const std::uint64_t word = words[n_positions_];
    const auto position = static_cast<std::uint32_t>(n_positions_);
    if (seen_by_all(word)) {
      common_.push_back(position);
      continue;
    }
    for (std::uint32_t c = 0; c < n_columns; ++c) {
      ((word >> c & 1U) != 0 ? seen_ : hidden_)[c].push_back(position);
    }
  }
  generation_ = generation;
  n_columns_ = n_columns;
}

}  // namespace kvwave::replay
