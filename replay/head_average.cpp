#include "replay/head_average.h"

#include <algorithm>
#include <array>
#include <numeric>

namespace kvwave::replay {
namespace {

constexpr std::array<std::string_view, 4> kWords = {"mean", "median", "max", "group-max"};

}  // namespace

std::string_view to_string(HeadAverage average) {
  return kWords[static_cast<std::size_t>(average)];
}

bool parse_head_average(std::string_view word, HeadAverage& average) {
  const auto found = std::find(kWords.begin(), kWords.end(), word);
  if (found == kWords.end()) return false;
  average = static_cast<HeadAverage>(found - kWords.begin());
  return true;
}

double average_heads(HeadAverage average, std::span<const std::uint32_t> demand, std::uint32_t group,
                     std::vector<std::uint32_t>& scratch) {
  const auto n = static_cast<double>(demand.size());
  switch (average) {
    case HeadAverage::max:
      return *std::max_element(demand.begin(), demand.end());
    case HeadAverage::median: {
      scratch.assign(demand.begin(), demand.end());
      std::sort(scratch.begin(), scratch.end());
      return (double{1} * scratch[(scratch.size() - 1) / 2] + scratch[scratch.size() / 2]) / 2;
    }
    case HeadAverage::group_max: {
      double sum = 0;
      for (std::size_t first = 0; first < demand.size(); first += group) {
        const std::span<const std::uint32_t> heads = demand.subspan(first, group);
        sum += *std::max_element(heads.begin(), heads.end());
      }
      return sum * group / n;
    }
    case HeadAverage::mean:
      break;
  }
  return static_cast<double>(std::accumulate(demand.begin(), demand.end(), std::uint64_t{0})) / n;
}

}  // namespace kvwave::replay
