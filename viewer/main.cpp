// The program kvwave-viewer: one command, errors become a line and an exit code here.
#include <cstdio>
#include <exception>
#include <new>
#include <string>
#include <vector>

#include "traces/command_line.h"
#include "viewer/app/view_command.h"

int main(int argc, char** argv) {
  const std::vector<std::string> args(argv + 1, argv + argc);
  const auto fail = [](const char* message, int code) {
    std::fprintf(stderr, "kvwave view: %s\n", message);
    return code;
  };
  try {
    const int code = kvwave::viewer::view_command(args);
    if (std::fflush(stdout) != 0) return fail("standard output could not be written", kvwave::traces::kFailure);
    return code;
  } catch (const kvwave::traces::UsageError& error) {
    return fail(error.what(), kvwave::traces::kUsage);
  } catch (const std::bad_alloc&) {
    return fail("out of memory", kvwave::traces::kFailure);
  } catch (const std::exception& error) {
    return fail(error.what(), kvwave::traces::kFailure);
  }
}
