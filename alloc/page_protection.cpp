#include "alloc/page_protection.h"

#include <fmt/format.h>

#include "alloc/error.h"

namespace kvwave::alloc {

void check_page_protection(const Protection& protection, std::uint32_t n_prompt, std::uint32_t page_size,
                           std::uint32_t most_pages, std::string_view who) {
  const std::uint32_t first = std::max(protection.sinks, protection.prompt ? n_prompt : 0U);
  const std::uint32_t first_pages = (first + page_size - 1) / page_size;
  // A run of r positions touches most pages where it begins with the last position of one.
  const std::uint32_t recent_pages = protection.recent == 0 ? 0 : (protection.recent + page_size - 2) / page_size + 1;
  if (first_pages + recent_pages <= most_pages) return;
  throw BadBudget(
      fmt::format("{}: {} first and {} newest positions are protected, in up to {} pages of {}, but the "
                  "budget holds {}",
                  who, first, protection.recent, first_pages + recent_pages, page_size, most_pages));
}

}  // namespace kvwave::alloc
