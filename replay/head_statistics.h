// The statistics a scorer asks for, computed over the residents of one KV head.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "alloc/scorer.h"
#include "kernels/rkv_importance.h"
#include "kernels/rkv_redundancy.h"
#include "replay/future_mass.h"
#include "replay/layer_tensors.h"

namespace kvwave::replay {

/// Where statistics come from; either may be null when no scorer needs it.
struct StatisticsSource {
  const LayerTensors* tensors = nullptr;
  const FutureMass* future = nullptr;
};

/// Reusable memory; one per thread.
struct StatisticsScratch {
  kernels::KeyPanels keys, unit_keys;
  kernels::ImportanceScratch importance;
  kernels::RedundancyScratch redundancy;
  std::vector<float> query;
};

/// Over the candidates: all residents but the newest `window`. What was not needed stays empty.
struct HeadStatistics {
  std::vector<float> importance, redundancy, future_mass;
};

/// slots: resident positions in slot order, the newest `window` last; `position`: the step's own position (the last
/// prompt position for the cut after the prompt). Queries of the newest `window` positions count, fewer at the start.
void head_statistics(const alloc::Needs& needs, std::uint32_t window, std::uint32_t kv_head, std::uint32_t position,
                     std::span<const std::uint32_t> slots, const StatisticsSource& source, HeadStatistics& out,
                     StatisticsScratch& scratch);

}  // namespace kvwave::replay
