#include "traces/command_line.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cmath>
#include <csignal>
#include <numeric>
#include <system_error>

#include <fmt/format.h>

#include "kvwave_commit.h"

namespace kvwave::traces {
namespace {

std::atomic<int> interrupt_flag{0};
static_assert(std::atomic<int>::is_always_lock_free, "the flag is set inside a signal handler");

extern "C" void note_interrupt(int) {
  interrupt_flag.store(1, std::memory_order_relaxed);
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

std::int64_t parse_integer(std::string_view option, std::string_view text, std::int64_t low, std::int64_t high) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < low || value > high) {
    throw UsageError(
        fmt::format("option --{}: expected a whole number from {} to {}, got '{}'", option, low, high, text));
  }
  return value;
}

double parse_real(std::string_view option, std::string_view text, double low, double high) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::general);
  if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value) || value < low ||
      value > high) {
    throw UsageError(fmt::format("option --{}: expected a number from {} to {}, got '{}'", option, low, high, text));
  }
  return value;
}

std::vector<std::string> parse_list(std::string_view option, std::string_view text) {
  std::vector<std::string> items;
  std::string_view rest = text;
  while (true) {
    const std::size_t comma = rest.find(',');
    const std::string_view item = rest.substr(0, comma);
    if (item.empty()) throw UsageError(fmt::format("option --{}: empty item in list '{}'", option, text));
    items.emplace_back(item);
    if (comma == std::string_view::npos) return items;
    rest.remove_prefix(comma + 1);
  }
}

std::string nearest_word(std::string_view word, std::span<const std::string> candidates) {
  // Longer inputs than any real word would only make the quadratic comparison slow.
  if (word.size() > 100) return "";
  std::string best;
  std::size_t best_distance = 0;
  for (const std::string& candidate : candidates) {
    const std::size_t distance = edit_distance(word, candidate);
    if (distance > std::max<std::size_t>(1, candidate.size() / 3)) continue;
    if (best.empty() || distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

std::string did_you_mean(std::string_view word, std::span<const std::string> candidates) {
  const std::string nearest = nearest_word(word, candidates);
  return nearest.empty() ? "" : fmt::format(" (did you mean '{}'?)", nearest);
}

std::string join_arguments(std::string_view command, std::span<const std::string> args) {
  std::string line(command);
  for (const std::string& arg : args) {
    const bool plain = !arg.empty() && arg.find_first_of(" \t\n\"'\\$`*?[](){}<>|&;#~!") == std::string::npos;
    line += ' ';
    if (plain) {
      line += arg;
      continue;
    }
    line += '\'';
    for (const char c : arg) line += c == '\'' ? std::string("'\\''") : std::string(1, c);
    line += '\'';
  }
  constexpr std::size_t kLongest = 16384;  // a prompt may be long; the trace has its tokens
  if (line.size() > kLongest) line = line.substr(0, kLongest) + "...";
  return line;
}

Version program_version() {
  return {KVWAVE_VERSION, KVWAVE_COMMIT};
}

InterruptGuard::InterruptGuard() {
  interrupt_flag = 0;
  std::signal(SIGINT, note_interrupt);
  std::signal(SIGTERM, note_interrupt);
}

InterruptGuard::~InterruptGuard() {
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
  interrupt_flag = 0;
}

bool InterruptGuard::interrupted() {
  return interrupt_flag.load(std::memory_order_relaxed) != 0;
}

}  // namespace kvwave::traces
