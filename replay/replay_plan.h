// What a run will do, decided and checked before the first trace is replayed.
#pragma once

#include <optional>
#include <vector>

#include "kernels/device.h"
#include "replay/replay_arguments.h"
#include "replay/report.h"
#include "replay/results_join.h"
#include "replay/trace_survey.h"

namespace kvwave::replay {

struct PlannedTrace {
  TraceSurvey survey;  ///< with its content hash
  std::vector<double> demand;
  bool in_sample = false;
  double profile_distance = 0;
};

struct ReplayPlan {
  std::vector<PlannedTrace> traces;  ///< of this shard, in order
  SweepRequest request;
  ReplayOptions options;  ///< with the device
  std::string device;     ///< in words, e.g. "cpu (avx512)"
  Report shared;          ///< configurations, profiles, metrics and statistics; no traces
  std::string replay_sha256;
  std::optional<ShardPlace> shard;
};

/// Opens every listed trace once. Warnings go to stderr. Throws UnequalTraces (several models without a profile for
/// each), DuplicateTrace, NothingToCompute (no decode step; a shard without traces), BadProfile, alloc::Error,
/// traces::Error, kernels::Error.
ReplayPlan plan_replay(const ReplayArguments& arguments);

}  // namespace kvwave::replay
