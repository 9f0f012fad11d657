#include "viewer/panels/token_layout.h"

#include "viewer/model/token_text.h"

namespace kvwave::viewer {

TokenLayout lay_out_tokens(const std::vector<std::string>& pieces, std::uint32_t n, float width,
                           const std::function<float(const std::string&)>& width_of) {
  TokenLayout layout;
  layout.boxes.reserve(n);
  layout.line_begin = {0};
  float x = 0;
  for (std::uint32_t p = 0; p < n; ++p) {
    const float own = width_of(printable(pieces[p]));
    if (x > 0 && x + own > width) {
      layout.line_begin.push_back(p);
      x = 0;
    }
    layout.boxes.push_back({x, own, static_cast<std::uint32_t>(layout.line_begin.size() - 1)});
    x += own;
    if (ends_line(pieces[p]) && p + 1 < n) {
      layout.line_begin.push_back(p + 1);
      x = 0;
    }
  }
  layout.line_begin.push_back(n);
  return layout;
}

}  // namespace kvwave::viewer
