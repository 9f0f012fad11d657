#include "replay/sweep_syntax.h"

#include <fmt/format.h>

#include "alloc/error.h"
#include "alloc/nearest_word.h"

namespace kvwave::replay {
namespace {

[[noreturn]] void refuse(std::string_view text, std::string_view what) {
  throw alloc::BadStrategy(fmt::format("strategy {}: {}", alloc::quoted(text), what));
}

// The text between and around lists, and the items of each list.
struct Pieces {
  std::vector<std::string> fixed;  // one more than lists
  std::vector<std::vector<std::string>> lists;
};

Pieces split(std::string_view text) {
  Pieces pieces;
  std::string_view rest = text;
  for (;;) {
    const std::size_t open = rest.find_first_of("[]");
    if (open == std::string_view::npos) {
      pieces.fixed.emplace_back(rest);
      return pieces;
    }
    if (rest[open] == ']') refuse(text, "']' without '['");
    if (open == 0 || rest[open - 1] != '=') refuse(text, "a list must be a parameter's value, key=[a,b]");
    pieces.fixed.emplace_back(rest.substr(0, open));
    const std::size_t close = rest.find_first_of("[]", open + 1);
    if (close == std::string_view::npos || rest[close] == '[') refuse(text, "'[' without ']'");
    std::string_view inside = rest.substr(open + 1, close - open - 1);
    std::vector<std::string>& items = pieces.lists.emplace_back();
    for (;;) {
      const std::size_t comma = inside.find(',');
      const std::string_view item = inside.substr(0, comma);
      if (item.empty()) refuse(text, "a list has an empty item");
      items.emplace_back(item);
      if (comma == std::string_view::npos) break;
      inside.remove_prefix(comma + 1);
    }
    rest.remove_prefix(close + 1);
    if (!rest.empty() && rest.front() != ',' && rest.front() != '/') refuse(text, "expected ',' or '/' after a list");
  }
}

}  // namespace

std::vector<std::string> expand_lists(std::string_view text) {
  const Pieces pieces = split(text);
  std::size_t n = 1;
  for (const std::vector<std::string>& list : pieces.lists) {
    n *= list.size();
    if (n > kMostExpanded) refuse(text, fmt::format("stands for more than {} strategies", kMostExpanded));
  }
  std::vector<std::string> expanded;
  for (std::size_t i = 0; i < n; ++i) {
    std::size_t rest = n, at = i;
    std::string one = pieces.fixed.front();
    for (std::size_t list = 0; list < pieces.lists.size(); ++list) {
      rest /= pieces.lists[list].size();
      one += pieces.lists[list][at / rest] + pieces.fixed[list + 1];
      at %= rest;
    }
    expanded.push_back(std::move(one));
  }
  return expanded;
}

}  // namespace kvwave::replay
