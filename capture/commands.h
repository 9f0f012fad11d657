// The commands of this folder; kvwave.cpp dispatches to them. Each takes the words after its name, prints results on
// stdout and returns an exit code (traces/command_line.h); errors are thrown.
#pragma once

#include <span>
#include <string>

namespace kvwave::capture {

int capture_command(std::span<const std::string> args);
int import_command(std::span<const std::string> args);
int tokenize_command(std::span<const std::string> args);
int devices_command(std::span<const std::string> args);
int model_info_command(std::span<const std::string> args);

}  // namespace kvwave::capture
