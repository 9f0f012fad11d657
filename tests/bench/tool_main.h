// What the programs of this folder share: errors end them in one line, and wrong options as kvwave's do.
#pragma once

#include <cstdio>
#include <exception>
#include <span>
#include <string>
#include <vector>

#include "traces/command_line.h"

namespace kvwave::bench {

/// Runs `tool(arguments)`, which returns an exit code, and turns what it throws into a line on stderr and an exit code.
template <class Tool>
int run_tool(const char* name, int argc, char** argv, Tool&& tool) {
  const std::vector<std::string> args(argv + 1, argv + argc);
  try {
    return tool(std::span<const std::string>(args));
  } catch (const traces::UsageError& error) {
    std::fprintf(stderr, "%s: %s\n", name, error.what());
    return traces::kUsage;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", name, error.what());
    return traces::kFailure;
  }
}

}  // namespace kvwave::bench
