#include <string>
#include <vector>

#include <fmt/format.h>

#include "traces/command_line.h"
#include "traces/command_options.h"
#include "traces/commands.h"
#include "traces/repair.h"

namespace kvwave::traces {

int repair_command(std::span<const std::string> args) {
  namespace po = boost::program_options;
  po::options_description options;
  options.add_options()("output,o", po::value<std::string>(), "the repaired copy (required)")(
      "force,f", "replace an existing file")("quiet", "print nothing");
  const auto values = parse_options(
      "usage: kvwave repair TRACE -o FIXED [-f]\n\n"
      "Copies a trace whose writer was killed into a cleanly closed file. The writer must not be running.",
      options, "trace", args);
  if (!values) return kComplete;
  const std::vector<std::string> paths =
      values->contains("trace") ? (*values)["trace"].as<std::vector<std::string>>() : std::vector<std::string>{};
  if (paths.size() != 1) throw UsageError(fmt::format("expected one trace, got {}", paths.size()));
  if (!values->contains("output")) throw UsageError("option -o/--output is missing: where the repaired copy goes");
  const auto target = (*values)["output"].as<std::string>();
  const Repaired repaired = repair_trace(paths[0], target, values->contains("force"));
  if (!values->contains("quiet")) {
    fmt::print("{}: {} positions{}\n", target, repaired.n_positions,
               repaired.was_open ? "" : "; the source was closed cleanly already");
  }
  return kComplete;
}

}  // namespace kvwave::traces
