#include "replay/budget_tables.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "alloc/nearest_word.h"
#include "replay/error.h"
#include "replay/input_text.h"
#include "replay/npy_table.h"
#include "traces/command_line.h"
#include "traces/npy_array.h"

namespace kvwave::replay {
namespace {

using Path = std::filesystem::path;

constexpr std::size_t kLargestTableMib = 64;
constexpr std::array<std::string_view, 3> kWords = {"duoattention", "headkv", "lukv"};

[[noreturn]] void refuse(const Path& path, std::string_view what) {
  throw BadTableFile(fmt::format("{}: {}", path.string(), what));
}

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \r") - first + 1);
}

double cell(const Path& path, std::string_view text, std::size_t row, std::size_t column) {
  text = trimmed(text);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
    refuse(path, fmt::format("row {}, column {}: expected a finite number, tab-separated", row, column));
  }
  return value;
}

// numpy.savetxt with tabs; what follows '#' is a comment.
alloc::HeadTable parse_rows(const Path& path, std::string_view text) {
  alloc::HeadTable table;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(text.size(), end + 1));
    line = trimmed(line.substr(0, line.find('#')));
    if (line.empty()) continue;
    if (++table.n_layers > kMostTableHeads) refuse(path, fmt::format("more than {} rows", kMostTableHeads));
    std::uint32_t columns = 0;
    for (;;) {
      const std::size_t tab = line.find('\t');
      if (++columns > kMostTableHeads) refuse(path, fmt::format("more than {} columns", kMostTableHeads));
      table.value.push_back(cell(path, line.substr(0, tab), table.n_layers, columns));
      if (tab == std::string_view::npos) break;
      line.remove_prefix(tab + 1);
    }
    if (table.n_layers == 1) table.n_heads = columns;
    if (columns != table.n_heads) {
      refuse(path, fmt::format("row {} has {} columns, row 1 has {}", table.n_layers, columns, table.n_heads));
    }
  }
  if (table.n_layers == 0) refuse(path, "holds no row");
  return table;
}

bool parse_index(std::string_view text, std::uint32_t& index) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), index);
  return error == std::errc() && end == text.data() + text.size() && index < kMostTableHeads;
}

double mean_score(const Path& path, const std::string& key, const nlohmann::json& value) {
  const auto number = [&](const nlohmann::json& one) {
    const double x = one.is_number() ? one.get<double>() : std::nan("");
    if (!std::isfinite(x)) refuse(path, fmt::format("'{}': expected a list of finite numbers", key));
    return x;
  };
  if (value.is_number()) return number(value);
  if (!value.is_array() || value.empty()) refuse(path, fmt::format("'{}': expected a list of finite numbers", key));
  double sum = 0;
  for (const nlohmann::json& one : value) sum += number(one);
  const double mean = sum / static_cast<double>(value.size());
  if (!std::isfinite(mean)) refuse(path, fmt::format("'{}': the mean of its scores is not finite", key));
  return mean;
}

alloc::HeadTable parse_scores(const Path& path, const std::string& text) {
  nlohmann::json object;
  try {
    object = nlohmann::json::parse(text);
  } catch (const nlohmann::json::exception&) {
    refuse(path, "is not valid JSON");
  }
  struct Score {
    std::uint32_t layer = 0, head = 0;
    double value = 0;
  };
  std::vector<Score> scores;
  alloc::HeadTable table;
  for (const auto& [key, value] : object.items()) {
    Score score;
    const std::size_t dash = key.find('-');
    if (dash == std::string::npos || !parse_index(std::string_view(key).substr(0, dash), score.layer) ||
        !parse_index(std::string_view(key).substr(dash + 1), score.head)) {
      refuse(path, fmt::format("key '{:.40}': expected LAYER-HEAD, each below {}", key, kMostTableHeads));
    }
    score.value = mean_score(path, key, value);
    table.n_layers = std::max(table.n_layers, score.layer + 1);
    table.n_heads = std::max(table.n_heads, score.head + 1);
    scores.push_back(score);
  }
  const std::size_t size = std::size_t{table.n_layers} * table.n_heads;
  // Keys are unique but for spellings like 0-01, which are found below.
  if (scores.empty() || scores.size() != size) {
    refuse(path, fmt::format("expected a score for each of {} layers of {} heads, found {}", table.n_layers,
                             table.n_heads, scores.size()));
  }
  table.value.assign(size, std::nan(""));
  for (const Score& score : scores) table.value[std::size_t{score.layer} * table.n_heads + score.head] = score.value;
  if (std::any_of(table.value.begin(), table.value.end(), [](double v) { return std::isnan(v); })) {
    refuse(path, "names a head twice");
  }
  return table;
}

}  // namespace

std::string_view to_string(TableFormat format) {
  return kWords[static_cast<std::size_t>(format)];
}

TableFormat parse_table_format(std::string_view word) {
  for (const TableFormat format : {TableFormat::duoattention, TableFormat::headkv, TableFormat::lukv}) {
    if (to_string(format) == word) return format;
  }
  throw traces::UsageError(fmt::format("unknown table format {}{}; known: {}", alloc::quoted(word),
                                       alloc::suggestion(word, kWords), fmt::join(kWords, ", ")));
}

alloc::HeadTable read_budget_table(const Path& path) {
  const std::string bytes = read_input_text<BadTableFile>(path, kLargestTableMib, "table");
  if (traces::is_npy(bytes)) {
    try {
      return parse_npy_table(bytes);
    } catch (const BadTableFile& error) {
      refuse(path, error.what());
    }
  }
  const std::size_t first = bytes.find_first_not_of(" \t\r\n");
  if (first != std::string::npos && bytes[first] == '{') return parse_scores(path, bytes);
  return parse_rows(path, bytes);
}

std::string table_bytes(TableFormat format, const alloc::HeadTable& table) {
  if (format == TableFormat::lukv) return npy_table_bytes(table);
  std::string text = format == TableFormat::headkv ? "{" : "";
  for (std::uint32_t l = 0; l < table.n_layers; ++l) {
    for (std::uint32_t h = 0; h < table.n_heads; ++h) {
      if (format == TableFormat::duoattention) {
        text += fmt::format("{}{:.18e}", h == 0 ? "" : "\t", table.at(l, h));
      } else {
        text += fmt::format("{}\"{}-{}\": [{}]", l + h == 0 ? "" : ", ", l, h, table.at(l, h));
      }
    }
    if (format == TableFormat::duoattention) text += '\n';
  }
  // HeadKV reads the first line of its file: all of it is one.
  return format == TableFormat::headkv ? text + "}\n" : text;
}

}  // namespace kvwave::replay
