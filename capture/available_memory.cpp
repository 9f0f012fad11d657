#include "capture/available_memory.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <optional>
#include <string>

namespace kvwave::capture {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kNoLimit = std::numeric_limits<std::uint64_t>::max();

/// The number behind `name` in a file of lines "name number".
std::optional<std::uint64_t> named_number(const fs::path& path, const std::string& name) {
  std::ifstream file(path);
  std::string word;
  std::uint64_t number = 0;
  while (file >> word) {
    if (word == name && file >> number) return number;
  }
  return std::nullopt;
}

/// A file of one number; "max" is no number.
std::optional<std::uint64_t> number_in(const fs::path& path) {
  std::ifstream file(path);
  std::uint64_t number = 0;
  return file >> number ? std::optional(number) : std::nullopt;
}

/// What one version of control groups calls its files.
struct Names {
  const char* limit;
  const char* usage;
  const char* active_file;  // in memory.stat
  const char* inactive_file;
};
constexpr Names kVersion1 = {"memory.limit_in_bytes", "memory.usage_in_bytes", "total_active_file",
                             "total_inactive_file"};
constexpr Names kVersion2 = {"memory.max", "memory.current", "active_file", "inactive_file"};

std::uint64_t left_in(const fs::path& group, const Names& names) {
  const auto limit = number_in(group / names.limit);
  const auto usage = number_in(group / names.usage);
  if (!limit || !usage) return kNoLimit;
  const std::uint64_t files = named_number(group / "memory.stat", names.active_file).value_or(0) +
                              named_number(group / "memory.stat", names.inactive_file).value_or(0);
  const std::uint64_t taken = *usage - std::min(*usage, files);
  return *limit - std::min(*limit, taken);
}

/// The least that a group and those it lies in leave. A container may not see its group's own path: the top counts.
std::uint64_t left_along(const fs::path& mount, const fs::path& group, const Names& names) {
  std::uint64_t left = left_in(mount, names);
  fs::path path = mount;
  for (const fs::path& part : group.relative_path()) left = std::min(left, left_in(path /= part, names));
  return left;
}

/// Lines "number:controllers:/path"; the version 2 hierarchy has no controllers.
std::uint64_t left_by_groups(const fs::path& root) {
  std::uint64_t left = kNoLimit;
  std::ifstream groups(root / "proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const fs::path mount = root / "sys/fs/cgroup", group = line.substr(second + 1);
    if (controllers.empty()) left = std::min(left, left_along(mount, group, kVersion2));
    if (controllers == "memory") left = std::min(left, left_along(mount / "memory", group, kVersion1));
  }
  return left;
}

}  // namespace

std::uint64_t available_memory(const fs::path& root) {
  const auto kilobytes = named_number(root / "proc/meminfo", "MemAvailable:");
  const std::uint64_t left = std::min(kilobytes ? *kilobytes * 1024 : kNoLimit, left_by_groups(root));
  return left == kNoLimit ? 0 : left;
}

}  // namespace kvwave::capture
