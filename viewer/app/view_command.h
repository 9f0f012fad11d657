// `kvwave view`, in the program kvwave-viewer.
#pragma once

#include <span>
#include <string>

namespace kvwave::viewer {

/// Exit codes as every command's. Throws UsageError and what opening, drawing and writing throw.
int view_command(std::span<const std::string> args);

}  // namespace kvwave::viewer
