#include "capture/jinja_text_tools.h"

#include <algorithm>
#include <array>
#include <utf8proc.h>

#include "capture/jinja_value.h"
#include "capture/utf8.h"

namespace kvwave::capture::jinja {
namespace {

// str.isspace(): the blanks of Unicode and the separators of ASCII.
bool is_blank(std::string_view character) {
  if (character.size() == 1) {
    const char c = character.front();
    return c == ' ' || (c >= '\t' && c <= '\r') || (c >= '\x1c' && c <= '\x1f');
  }
  static constexpr std::array<std::string_view, 18> kBlanks = {
      "\xc2\x85",     "\xc2\xa0",     "\xe1\x9a\x80", "\xe2\x80\x80", "\xe2\x80\x81", "\xe2\x80\x82",
      "\xe2\x80\x83", "\xe2\x80\x84", "\xe2\x80\x85", "\xe2\x80\x86", "\xe2\x80\x87", "\xe2\x80\x88",
      "\xe2\x80\x89", "\xe2\x80\x8a", "\xe2\x80\xa8", "\xe2\x80\xa9", "\xe2\x80\xaf", "\xe2\x81\x9f"};
  return character == "\xe3\x80\x80" || std::find(kBlanks.begin(), kBlanks.end(), character) != kBlanks.end();
}

template <typename Change>
std::string change_each(std::string_view text, const Change& change) {
  std::string out;
  for (const std::string_view character : characters(text)) {
    utf8proc_int32_t code = -1;
    const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(character.data());
    if (utf8proc_iterate(bytes, static_cast<utf8proc_ssize_t>(character.size()), &code) <= 0 || code < 0) {
      out += character;
      continue;
    }
    std::array<utf8proc_uint8_t, 4> buffer{};
    const utf8proc_ssize_t length = utf8proc_encode_char(change(code), buffer.data());
    out.append(reinterpret_cast<const char*>(buffer.data()), static_cast<std::size_t>(length));
  }
  return out;
}

}  // namespace

std::vector<std::string_view> characters(std::string_view text) {
  std::vector<std::string_view> all;
  while (!text.empty()) {
    const Utf8Front front = utf8_front(text);
    const std::size_t length = front.state == Utf8State::complete ? front.length : 1;
    all.push_back(text.substr(0, length));
    text.remove_prefix(length);
  }
  return all;
}

std::string_view strip(std::string_view text, Side side, std::string_view set) {
  const std::vector<std::string_view> all = characters(text);
  const auto goes = [&](std::string_view c) {
    return set.empty() ? is_blank(c) : set.find(c) != std::string_view::npos;
  };
  std::size_t first = 0, last = all.size();
  if (side != Side::right) {
    while (first < last && goes(all[first])) ++first;
  }
  if (side != Side::left) {
    while (last > first && goes(all[last - 1])) --last;
  }
  if (first == last) return {};
  const char* begin = all[first].data();
  const char* end = all[last - 1].data() + all[last - 1].size();
  return {begin, static_cast<std::size_t>(end - begin)};
}

std::string to_lower(std::string_view text) {
  return change_each(text, utf8proc_tolower);
}
std::string to_upper(std::string_view text) {
  return change_each(text, utf8proc_toupper);
}

std::string capitalise(std::string_view text) {
  const std::vector<std::string_view> all = characters(text);
  if (all.empty()) return "";
  return to_upper(all.front()) + to_lower(text.substr(all.front().size()));
}

std::string to_title(std::string_view text) {
  std::string out;
  bool inside = false;
  for (const std::string_view character : characters(text)) {
    out += inside ? to_lower(character) : to_upper(character);
    inside = to_lower(character) != to_upper(character);
  }
  return out;
}

std::string title_words(std::string_view text) {
  std::string out;
  bool inside = false;
  for (const std::string_view character : characters(text)) {
    out += inside ? to_lower(character) : to_upper(character);
    inside = !is_blank(character) && std::string_view("-({[<").find(character) == std::string_view::npos;
  }
  return out;
}

std::string replace_all(std::string_view text, std::string_view from, std::string_view to, std::int64_t most) {
  std::string out;
  if (from.empty()) return std::string(text);
  for (std::size_t at = text.find(from); at != std::string_view::npos && most != 0; at = text.find(from), --most) {
    out += text.substr(0, at);
    out += to;
    check_length(out);
    text.remove_prefix(at + from.size());
  }
  return out += text;
}

// Words between blanks; after `most` of them the rest is one, blanks at its end included.
static std::vector<std::string> split_at_blanks(std::string_view text, std::int64_t most) {
  std::vector<std::string> parts;
  const std::vector<std::string_view> all = characters(strip(text, Side::left));
  for (std::size_t i = 0; i < all.size();) {
    std::size_t end = i;
    while (end < all.size() && (most == 0 || !is_blank(all[end]))) ++end;
    const char* begin = all[i].data();
    parts.emplace_back(begin, static_cast<std::size_t>(all[end - 1].data() + all[end - 1].size() - begin));
    if (most > 0) --most;
    for (i = end; i < all.size() && is_blank(all[i]);) ++i;
  }
  return parts;
}

std::vector<std::string> split(std::string_view text, std::string_view separator, std::int64_t most) {
  std::vector<std::string> parts;
  if (separator.empty()) return split_at_blanks(text, most);
  for (std::size_t at = text.find(separator); at != std::string_view::npos && most != 0;
       at = text.find(separator), --most) {
    parts.emplace_back(text.substr(0, at));
    text.remove_prefix(at + separator.size());
  }
  parts.emplace_back(text);
  return parts;
}

std::vector<std::string> split_from_right(std::string_view text, std::string_view separator, std::int64_t most) {
  std::vector<std::string> parts;
  for (std::size_t at = text.rfind(separator); at != std::string_view::npos && most != 0;
       at = text.rfind(separator), --most) {
    parts.emplace_back(text.substr(at + separator.size()));
    text = text.substr(0, at);
  }
  parts.emplace_back(text);
  std::reverse(parts.begin(), parts.end());
  return parts;
}

}  // namespace kvwave::capture::jinja
