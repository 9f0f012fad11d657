#include "traces/repetition.h"

#include <cstddef>
#include <set>
#include <stdexcept>
#include <vector>

namespace kvwave::traces {

double repeated_ngram_share(std::span<const std::int32_t> ids, unsigned n) {
  if (n == 0) throw std::invalid_argument("n-grams need n of at least 1");
  if (ids.size() < n) return 0;
  const std::size_t total = ids.size() - n + 1;
  std::set<std::vector<std::int32_t>> seen;
  std::size_t repeated = 0;
  for (std::size_t i = 0; i < total; ++i) {
    const auto gram = ids.subspan(i, n);
    if (!seen.emplace(gram.begin(), gram.end()).second) ++repeated;
  }
  return static_cast<double>(repeated) / static_cast<double>(total);
}

}  // namespace kvwave::traces
