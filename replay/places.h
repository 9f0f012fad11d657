// Where a strategy stands between chance and clairvoyance: its retained mass on a scale that the controls of its budget
// draw.
#pragma once

#include <span>

#include "replay/summary.h"
#include "replay/sweep.h"

namespace kvwave::replay {

/// 0 = `low`, 1 = `high`, linear and not clipped. NaN when one of the three is, or high is not above low by 1e-9.
double place_between(double value, double low, double high);

/// Sets place_oracle and place_ceiling of every configuration, layer and KV head from the configurations of its budget
/// whose roles are random, oracle and ceiling; stays NaN where the sweep lacks one of the two that a place needs. Sets
/// protection_share from the random_score and unprotected forms of a configuration: the place of the former between the
/// latter (0) and the configuration (1).
void set_places(const Sweep& sweep, std::span<ConfigurationSummary> summaries);

}  // namespace kvwave::replay
