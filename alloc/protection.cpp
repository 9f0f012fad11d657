// The text form of a protection.
#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

#include "alloc/error.h"
#include "alloc/nearest_word.h"
#include "alloc/refresh_rule.h"

namespace kvwave::alloc {
namespace {

constexpr std::uint32_t kMostProtected = 1'000'000;
constexpr std::string_view kProtectionForm = "none or items sinks:N, recent:N, prompt joined by + or ,";

std::uint32_t read_count(std::string_view item, std::string_view number) {
  std::uint32_t count = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), count);
  if (error != std::errc() || end != number.data() + number.size() || count > kMostProtected) {
    throw BadStrategy(fmt::format("protect: expected a count in [0, {}] in {}", kMostProtected, quoted(item)));
  }
  return count;
}

void read_item(std::string_view item, Protection& protection, std::string& seen) {
  const std::size_t colon = item.find(':');
  const std::string_view name = item.substr(0, colon);
  const bool known = name == "prompt" ? colon == std::string_view::npos
                                      : (name == "sinks" || name == "recent") && colon != std::string_view::npos;
  if (!known) {
    constexpr std::array<std::string_view, 3> kNames = {"sinks", "recent", "prompt"};
    const bool misspelt = std::find(kNames.begin(), kNames.end(), name) == kNames.end();
    throw BadStrategy(fmt::format("protect: expected {}, got {}{}", kProtectionForm, quoted(item),
                                  misspelt ? suggestion(name, kNames) : ""));
  }
  if (seen.find(name) != std::string::npos) {
    throw BadStrategy(fmt::format("protect: '{}' is given twice", name));
  }
  seen += name;
  if (name == "prompt") {
    protection.prompt = true;
  } else {
    (name == "sinks" ? protection.sinks : protection.recent) = read_count(item, item.substr(colon + 1));
  }
}

}  // namespace

Protection Protection::parse(std::string_view text) {
  Protection protection;
  if (text == "none") return protection;
  std::string seen;
  for (;;) {
    const std::size_t at = text.find_first_of("+,");
    read_item(text.substr(0, at), protection, seen);
    if (at == std::string_view::npos) return protection;
    text.remove_prefix(at + 1);
  }
}

std::string Protection::text() const {
  std::string text;
  const auto add = [&](const std::string& item) { text += text.empty() ? item : '+' + item; };
  if (sinks > 0) add(fmt::format("sinks:{}", sinks));
  if (recent > 0) add(fmt::format("recent:{}", recent));
  if (prompt) add("prompt");
  return text.empty() ? "none" : text;
}

}  // namespace kvwave::alloc
