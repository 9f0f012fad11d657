// `kvwave calibrate --compare A... --with B...`: the part of the command that compares waves of several data sets.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "replay/calibrate.h"

namespace kvwave::replay {

struct SplitArguments {
  std::vector<std::vector<std::string>> sets;  ///< words after --compare, then after each --with
  std::vector<std::string> rest;               ///< everything else, in order
};

/// Words that follow --compare or --with up to the next option are one set. Throws traces::UsageError for a set without
/// words, --with without --compare or the other way round, --compare twice.
SplitArguments split_sets(std::span<const std::string> args);

/// Reads every set (files, folders, lists), and prints distances within and between them with bootstrap intervals, and
/// the layers that differ most. Throws UnequalTraces for a set of several models, DuplicateTrace for a trace that two
/// sets (or one twice) hold, and what trace_wave() throws.
void compare_sets(std::span<const std::vector<std::string>> sets, double rho, const WaveReading& reading,
                  std::uint64_t seed);

}  // namespace kvwave::replay
