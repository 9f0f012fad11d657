// Private to alloc: protection for policies that act on pages.
#pragma once

#include <algorithm>
#include <cstdint>

#include "alloc/refresh_rule.h"

namespace kvwave::alloc {

/// Whether a page holds a protected position while positions 0 .. now exist.
inline bool is_protected_page(const Protection& protection, std::uint32_t n_prompt, std::uint32_t page_size,
                              std::uint32_t page, std::uint32_t now) {
  const std::uint32_t first = page * page_size, last = std::min(now, first + page_size - 1);
  const bool first_ones = first < std::max(protection.sinks, protection.prompt ? n_prompt : 0U);
  return first_ones || last + protection.recent > now;
}

}  // namespace kvwave::alloc
