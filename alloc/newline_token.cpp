// R-KV's newline_token_ids (github.com/Zefan-Cai/R-KV d15c976, run_math.py): the last tokens of "\n", ".\n", ")\n",
// "\n\n", ".\n\n" and ")\n\n". A tokenizer without a piece for one of the longer texts ends it with a shorter one of
// the list, so the bytes decide alike for every tokenizer.
#include <algorithm>
#include <array>

#include "alloc/refresh_rule.h"

namespace kvwave::alloc {

bool ends_line(std::string_view token_bytes) {
  constexpr std::array<std::string_view, 6> kPieces = {"\n", ".\n", ")\n", "\n\n", ".\n\n", ")\n\n"};
  return std::find(kPieces.begin(), kPieces.end(), token_bytes) != kPieces.end();
}

}  // namespace kvwave::alloc
