// Private to alloc: protection for policies that act on pages.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "alloc/refresh_rule.h"

namespace kvwave::alloc {

/// Whether a page holds a protected position while positions 0 .. now exist.
inline bool is_protected_page(const Protection& protection, std::uint32_t n_prompt, std::uint32_t page_size,
                              std::uint32_t page, std::uint32_t now) {
  const std::uint32_t first = page * page_size, last = std::min(now, first + page_size - 1);
  const bool first_ones = first < std::max(protection.sinks, protection.prompt ? n_prompt : 0U);
  return first_ones || last + protection.recent > now;
}

/// Throws BadBudget, naming `who`, unless the pages of protected positions fit into `most_pages` wherever the newest
/// ones stand.
void check_page_protection(const Protection& protection, std::uint32_t n_prompt, std::uint32_t page_size,
                           std::uint32_t most_pages, std::string_view who);

}  // namespace kvwave::alloc
