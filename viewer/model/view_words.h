// The view as words: for the command line that opens it again, for JSON and for menus.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "viewer/model/view_state.h"

namespace kvwave::viewer {

inline constexpr std::array<std::string_view, 4> kHeadValueWords = {"demand", "budget", "resident", "retained_mass"};
inline constexpr std::array<std::string_view, 3> kComparedWords = {"a", "b", "difference"};
inline constexpr std::array<std::string_view, 3> kScopeWords = {"all", "layer", "kv_head"};

inline std::string_view to_word(HeadValue value) {
  return kHeadValueWords[static_cast<std::size_t>(value)];
}
inline std::string_view to_word(Compared compared) {
  return kComparedWords[static_cast<std::size_t>(compared)];
}
inline std::string_view to_word(TokenScope scope) {
  return kScopeWords[static_cast<std::size_t>(scope)];
}

/// The enum value whose word this is.
template <class Enum, std::size_t N>
std::optional<Enum> from_word(const std::array<std::string_view, N>& words, std::string_view word) {
  for (std::size_t i = 0; i < N; ++i) {
    if (words[i] == word) return static_cast<Enum>(i);
  }
  return std::nullopt;
}

/// Quoted for a POSIX shell where needed.
std::string shell_word(std::string_view text);

}  // namespace kvwave::viewer
