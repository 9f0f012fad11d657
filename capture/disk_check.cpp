#include "capture/disk_check.h"

#include <fmt/format.h>

#include "traces/progress.h"
#include "traces/writer.h"

namespace kvwave::capture {
namespace {

/// A run of this size or more is told what it would take without attention rows, which grow with the square of the
/// length.
constexpr std::uint64_t kLargeRun = 10'000'000'000U;

std::string per_level(const traces::LevelBytes& bytes, const traces::Levels& levels) {
  std::string text;
  const auto add = [&](bool on, const char* name, std::uint64_t size) {
    if (on) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, traces::human_bytes(size));
  };
  add(levels.tokens, "tokens", bytes.tokens);
  add(levels.stats, "stats", bytes.stats);
  add(levels.attention, "attention", bytes.attention);
  add(levels.qkv, "qkv", bytes.qkv);
  return text;
}

}  // namespace

DiskCheck check_disk(const traces::TraceInfo& info, std::uint64_t positions, std::uint64_t free_bytes) {
  const traces::LevelBytes bytes = traces::estimate_bytes(info, positions);
  DiskCheck check;
  check.fits = bytes.total() <= free_bytes;
  check.message =
      fmt::format("about {} for up to {} positions ({}); {} free on the disk", traces::human_bytes(bytes.total()),
                  positions, per_level(bytes, info.levels), traces::human_bytes(free_bytes));
  if (info.levels.attention && (!check.fits || bytes.total() >= kLargeRun)) {
    traces::TraceInfo without = info;
    without.levels = {.tokens = true, .stats = true, .attention = false, .qkv = true};
    check.message += fmt::format("; --levels stats,qkv,tokens would take {}",
                                 traces::human_bytes(traces::estimate_bytes(without, positions).total()));
  }
  return check;
}

}  // namespace kvwave::capture
