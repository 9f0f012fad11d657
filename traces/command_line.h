// What every command shares: exit codes, usage errors, strict numbers, the same option words everywhere. A command is a
// function `int x_command(std::span<const std::string> args)`; main() catches and prints.
#pragma once

#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace kvwave::traces {

enum ExitCode : int { kComplete = 0, kFailure = 1, kUsage = 2, kInterrupted = 130 };

/// A wrong command line: main() prints one line and exits with kUsage. The message names the option or argument.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The whole text must be one number in [low, high]; UsageError "option --NAME: expected ..., got 'text'" otherwise.
std::int64_t parse_integer(std::string_view option, std::string_view text, std::int64_t low, std::int64_t high);
/// Finite decimal or scientific notation in [low, high]; no hexadecimal, no trailing characters.
double parse_real(std::string_view option, std::string_view text, double low, double high);
/// Splits at commas; empty items are a UsageError.
std::vector<std::string> parse_list(std::string_view option, std::string_view text);
/// The candidate with the smallest edit distance (at most a third of its length, at least 1), or "" when none is near.
std::string nearest_word(std::string_view word, std::span<const std::string> candidates);
/// ` (did you mean 'X'?)` or "".
std::string did_you_mean(std::string_view word, std::span<const std::string> candidates);

/// A command and its arguments as one line that a shell would read back; at most 16 KiB, a longer one ends in "...".
std::string join_arguments(std::string_view command, std::span<const std::string> args);

struct Version {
  std::string version;  ///< e.g. "0.1.0"
  std::string commit;   ///< 12 hex digits, "-dirty" appended when the tree had changes, "unknown" outside git
};
Version program_version();

/// SIGINT and SIGTERM set a flag instead of ending the process while one of these lives.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;
  static bool interrupted();
};

}  // namespace kvwave::traces
