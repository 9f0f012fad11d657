// A small trace with its replay, made once for a test program.
#pragma once

#include <filesystem>
#include <string>

#include "tests/replay/synthetic_trace.h"
#include "viewer/model/session.h"

namespace kvwave::viewer {

struct SmallResults {
  TemporaryFolder folder;
  replay::SyntheticOptions options;
  std::filesystem::path trace, results;

  /// Strategies uniform/rkv and reasonalloc/rkv at two budgets with controls, on a made-up trace of 20 + 140 positions.
  explicit SmallResults(std::uint64_t seed = 1);
};

/// The one that tests share; nobody changes it.
const SmallResults& small_results();
/// Its trace and results, opened and read.
void open_small_results(Session& session);

}  // namespace kvwave::viewer
