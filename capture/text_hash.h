// Lets an unordered map of strings be searched by a view.
#pragma once

#include <cstddef>
#include <functional>
#include <string_view>

namespace kvwave::capture {

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};

}  // namespace kvwave::capture
