// What Python's str does, on UTF-8.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kvwave::capture::jinja {

enum class Side { both, left, right };
/// str.strip(): white space as Python has it, or the characters of `set` where it is not empty.
std::string_view strip(std::string_view text, Side side, std::string_view set = {});

// Case goes character by character: a letter that Python makes two of, such as the German sharp s, stays one.
std::string to_lower(std::string_view text);
std::string to_upper(std::string_view text);
std::string capitalise(std::string_view text);  ///< the first character upper case, the rest lower
std::string to_title(std::string_view text);    ///< each run of letters so, as str.title()
/// Each word so, as the filter `title`: words begin after white space, "-" and opening brackets.
std::string title_words(std::string_view text);

/// The characters of a text; a byte that is no UTF-8 counts as one.
std::vector<std::string_view> characters(std::string_view text);

/// Throws Refusal when the result becomes too long.
std::string replace_all(std::string_view text, std::string_view from, std::string_view to, std::int64_t most);
/// str.split(separator, most); an empty separator means runs of white space. most < 0: no limit.
std::vector<std::string> split(std::string_view text, std::string_view separator, std::int64_t most);
std::vector<std::string> split_from_right(std::string_view text, std::string_view separator, std::int64_t most);

}  // namespace kvwave::capture::jinja
