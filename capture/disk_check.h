// Whether the disk can hold what a run is going to write: asked before decoding, not found out after hours.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "traces/schema.h"

namespace kvwave::capture {

struct DiskCheck {
  bool fits = true;
  std::string message;  ///< one line: bytes per level and free space; when it does not fit, what to do
};

/// `positions` = prompt plus generated tokens of the longest possible run; `free_bytes` of the disk.
DiskCheck check_disk(const traces::TraceInfo& info, std::uint64_t positions, std::uint64_t free_bytes);

}  // namespace kvwave::capture
