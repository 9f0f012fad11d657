// The commands of this folder. Each returns an ExitCode; wrong options throw UsageError, everything else Error.
#pragma once

#include <span>
#include <string>

namespace kvwave::traces {

/// `kvwave info TRACE [--json]`: what a trace holds, where it comes from, its content hash.
int info_command(std::span<const std::string> args);
/// `kvwave repair TRACE -o FIXED [-f]`: a killed writer's file, cleanly closed.
int repair_command(std::span<const std::string> args);
/// `kvwave dump TRACE WHAT [...]`: CSV on stdout.
int dump_command(std::span<const std::string> args);

}  // namespace kvwave::traces
