// Lists in strategies: `reasonalloc:mu=[0.1,0.25,0.5]/rkv:lambda=[0,0.1]` stands for six strategies.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace kvwave::replay {

/// A list and all lists of one text together stand for at most this many strategies.
inline constexpr std::size_t kMostExpanded = 4096;

/// Every combination of the values in `[...]` lists, the last list varying fastest. A text without brackets stands for
/// itself. Throws alloc::BadStrategy naming the text: a bracket without its fellow, lists inside lists, an empty list
/// or item, a list that is not the value of a parameter, more than kMostExpanded combinations.
std::vector<std::string> expand_lists(std::string_view text);

}  // namespace kvwave::replay
