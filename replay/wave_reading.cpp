#include "replay/wave_reading.h"

#include <algorithm>
#include <array>
#include <numeric>

namespace kvwave::replay {
namespace {

constexpr std::array<std::string_view, 4> kHeadWords = {"mean", "median", "max", "group-max"};
constexpr std::array<std::string_view, 3> kStepWords = {"mean", "median", "max"};
constexpr std::array<std::string_view, 2> kPositionWords = {"all", "generated"};

template <class Words, class Value>
bool parse(const Words& words, std::string_view word, Value& value) {
  const auto found = std::find(words.begin(), words.end(), word);
  if (found == words.end()) return false;
  value = static_cast<Value>(found - words.begin());
  return true;
}

}  // namespace

std::string_view to_string(HeadAverage average) {
  return kHeadWords[static_cast<std::size_t>(average)];
}
std::string_view to_string(StepAverage average) {
  return kStepWords[static_cast<std::size_t>(average)];
}
std::string_view to_string(RowPositions positions) {
  return kPositionWords[static_cast<std::size_t>(positions)];
}

bool parse_word(std::string_view word, HeadAverage& average) {
  return parse(kHeadWords, word, average);
}
bool parse_word(std::string_view word, StepAverage& average) {
  return parse(kStepWords, word, average);
}
bool parse_word(std::string_view word, RowPositions& positions) {
  return parse(kPositionWords, word, positions);
}

std::string to_string(const WaveReading& reading) {
  std::string text(to_string(reading.heads));
  if (reading.steps != StepAverage::mean) text.append(" (").append(to_string(reading.steps)).append(" over steps)");
  if (reading.positions != RowPositions::all) text += " (generated positions)";
  return text;
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

double average_steps(StepAverage average, std::span<double> row_demand) {
  if (average == StepAverage::max) return *std::max_element(row_demand.begin(), row_demand.end());
  if (average == StepAverage::median) {
    std::sort(row_demand.begin(), row_demand.end());
    return (row_demand[(row_demand.size() - 1) / 2] + row_demand[row_demand.size() / 2]) / 2;
  }
  return std::accumulate(row_demand.begin(), row_demand.end(), 0.0) / static_cast<double>(row_demand.size());
}

}  // namespace kvwave::replay
