#include "traces/progress.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

namespace kvwave::traces {
namespace {

constexpr std::size_t kBarCells = 24;

std::string bar(std::uint64_t done, std::uint64_t total) {
  const double share = std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
  const auto full = static_cast<std::size_t>(share * kBarCells);
  return fmt::format("[{}{}] {:3.0f}%", std::string(full, '#'), std::string(kBarCells - full, '.'), share * 100);
}

}  // namespace

ProgressBar::ProgressBar(std::string label, std::uint64_t total, bool enabled)
    : label_(std::move(label)), total_(total), active_(enabled && isatty(STDERR_FILENO) == 1) {}

ProgressBar::~ProgressBar() {
  if (active_) std::fputs("\r\033[K", stderr);
}

void ProgressBar::update(std::uint64_t done, std::string_view detail) {
  if (!active_) return;
  const auto now = std::chrono::steady_clock::now();
  if (done < total_ && now - last_ < std::chrono::milliseconds(100)) return;
  last_ = now;
  const std::string amount = total_ == 0 ? fmt::format("{}", done) : bar(done, total_);
  std::fputs(fmt::format("\r{} {}  {}\033[K", label_, amount, detail).c_str(), stderr);
}

std::string human_bytes(std::uint64_t bytes) {
  static constexpr std::array<const char*, 7> kUnits = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
  if (bytes < 1000) return fmt::format("{} B", bytes);
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  // 999.5 would print as 1000 with three digits, so it already belongs to the next unit.
  while (value >= 999.5 && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  const int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return fmt::format("{:.{}f} {}", value, decimals, kUnits[unit]);
}

}  // namespace kvwave::traces
