// The statistics a scorer asks for, computed over the residents of one cache.
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

/// Where statistics come from; each may be null when no scorer needs it.
struct StatisticsSource {
  const LayerTensors* tensors = nullptr;
  const FutureMass* future = nullptr;
  const alloc::Rope* rope = nullptr;
};

/// Reusable memory; one per thread.
struct StatisticsScratch {
  kernels::KeyPanels keys, unit_keys;
  kernels::ImportanceScratch importance;
  kernels::RedundancyScratch redundancy;
  std::vector<float> query;
};

/// One cache at a refresh, as alloc::Residents describes it.
struct StatisticsRequest {
  alloc::Needs needs;
  alloc::RefreshRule rule;
  std::uint32_t cache = 0;
  std::uint32_t position = 0;            ///< the step's own; the last prompt position for the cut after the prompt
  std::span<const std::uint32_t> slots;  ///< resident positions in slot order, the newest `window` last
};

/// What was not needed stays empty. Spans point into the source.
struct HeadStatistics {
  std::vector<float> importance, redundancy, future_mass;  ///< over the candidates
  alloc::TensorRows keys, values, queries;
  alloc::Rope rope;
  std::uint32_t n_window_queries = 0, n_window_heads = 0;
  std::vector<float> window_prob;  ///< alloc::WindowRows

  alloc::WindowRows window_rows() const;
};

/// Queries of the newest `window` positions count, fewer at the start. Only rows serve caches of whole layers.
void head_statistics(const StatisticsRequest& request, const StatisticsSource& source, HeadStatistics& out,
                     StatisticsScratch& scratch);

}  // namespace kvwave::replay
