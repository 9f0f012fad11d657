// The commands of this folder; kvwave.cpp dispatches to them. Each takes the words after its name, prints results on
// stdout and returns an exit code (traces/command_line.h); errors are thrown.
#pragma once

#include <span>
#include <string>

namespace kvwave::replay {

int calibrate_command(std::span<const std::string> args);
int merge_command(std::span<const std::string> args);
int replay_command(std::span<const std::string> args);
int strategies_command(std::span<const std::string> args);
int verify_command(std::span<const std::string> args);

}  // namespace kvwave::replay
