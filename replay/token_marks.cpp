#include "replay/token_marks.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "alloc/refresh_rule.h"
#include "traces/reader.h"

namespace kvwave::replay {

namespace {

constexpr std::string_view kThinkEnd = "</think>";
constexpr std::uint32_t kReadTokens = 65536;  // tokens read at once

}  // namespace

std::shared_ptr<const TokenMarks> token_marks(const traces::TraceReader& trace) {
  trace.require({.tokens = true, .stats = false, .attention = false, .qkv = false});
  auto marks = std::make_shared<TokenMarks>();
  const std::uint32_t none = marks->think_end;
  std::string tail;  // end of the text so far: less than kThinkEnd may begin in it
  for (std::uint32_t first = trace.info().n_prompt; first < trace.n_positions();) {
    const std::uint32_t end = std::min(trace.n_positions(), first + kReadTokens);
    for (const std::string& bytes : trace.token_bytes(first, end)) {
      if (alloc::ends_line(bytes)) marks->line_end.push_back(first);
      tail += bytes;
      if (marks->think_end == none && tail.find(kThinkEnd) != std::string::npos) marks->think_end = first;
      if (tail.size() >= kThinkEnd.size()) tail.erase(0, tail.size() - (kThinkEnd.size() - 1));
      ++first;
    }
  }
  return marks;
}

}  // namespace kvwave::replay
