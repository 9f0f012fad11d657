#include "tests/viewer/small_results.h"

#include <vector>

#include <gtest/gtest.h>

#include "replay/commands.h"

namespace kvwave::viewer {

SmallResults::SmallResults(std::uint64_t seed) : trace(folder / "small.h5"), results(folder / "results.h5") {
  options.n_positions = 160;
  options.seed = seed;
  replay::write_synthetic(trace, options);
  testing::internal::CaptureStdout();
  const std::vector<std::string> args = {
      trace.string(), "-s", "uniform/rkv:buffer=16", "-s", "reasonalloc/rkv:buffer=16", "-b",
      "24,40",        "-o", results.string()};
  replay::replay_command(args);
  testing::internal::GetCapturedStdout();
}

const SmallResults& small_results() {
  static const SmallResults shared;
  return shared;
}

void open_small_results(Session& session) {
  session.open(small_results().trace);
  session.open(small_results().results);
  session.wait();
}

}  // namespace kvwave::viewer
