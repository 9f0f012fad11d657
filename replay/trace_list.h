// Which traces a command works on: files, folders and lists, in one order that does not depend on the machine.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace kvwave::replay {

/// Expands arguments to trace files, in the order given. A folder stands for its `*.h5` files in ascending byte order
/// of their names (files of format kvwave-results are passed over; any other file must be a trace and is refused when
/// it is opened); `@FILE` for the paths in FILE, one per line, blank lines and lines that start with '#' left out,
/// paths relative to the current folder, `@-` = stdin. `list_file` ("" = none) is one more such FILE. Throws
/// BadTraceList naming the folder or list: empty, unreadable, nested, a line over 64 KiB, more than a million lines, a
/// line that names nothing, the same file named twice, a text (by a name other than *.h5) given without its '@'.
std::vector<std::string> list_traces(std::span<const std::string> arguments, const std::string& list_file);

}  // namespace kvwave::replay
