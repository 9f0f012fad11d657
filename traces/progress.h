// A progress bar on stderr, drawn only when stderr is a terminal and --quiet was not given.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace kvwave::traces {

class ProgressBar {
 public:
  /// total 0 = unknown length. `enabled` is and-ed with "stderr is a terminal".
  ProgressBar(std::string label, std::uint64_t total, bool enabled);
  ~ProgressBar();  ///< clears its line
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;
  /// Draws at most ten times a second. `detail` stands right of the bar, e.g. "87 tok/s, 12.3 MB".
  void update(std::uint64_t done, std::string_view detail);

 private:
  std::string label_;
  std::uint64_t total_;
  bool active_;
  std::chrono::steady_clock::time_point last_{};
};

/// "12.3 MB", "981 B": powers of 1000, three significant digits.
std::string human_bytes(std::uint64_t bytes);

}  // namespace kvwave::traces
