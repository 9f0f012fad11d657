// Suggestions for mistyped names. The command line has its own (traces/command_line.h); alloc includes no other folder.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace kvwave::alloc {

/// ` (did you mean 'X'?)` for the candidate at the smallest edit distance, the first of equals; "" when that distance
/// is above a third of the word's length (at least 1 is allowed).
std::string suggestion(std::string_view word, std::span<const std::string_view> candidates);

/// The text in single quotes, control characters replaced and long texts cut, so that a message stays one line.
std::string quoted(std::string_view text);

}  // namespace kvwave::alloc
