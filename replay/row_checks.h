// What `kvwave verify` asks of one attention row: the stored one against the exact one, the statistics against both.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "replay/tally.h"
#include "traces/reader.h"

namespace kvwave::replay {

enum class RowCheck : std::uint8_t {
  attention_prob,  ///< stored probabilities, which are rounded toward zero
  covering_set,    ///< stored positions: as few as cover 1 - epsilon
  residual,        ///< 1 - sum of the stored ones
  demand,          ///< N(rho): rho lies between the sums of the N - 1 and the N largest
  entropy,
  sink_mass,
  recent_mass,
  max_prob,
  stats_in_bounds,  ///< statistics inside what the stored row and its residual allow
};
inline constexpr std::size_t kRowChecks = 9;

/// One line for the report.
std::string_view describe(RowCheck check);

class RowTallies {
 public:
  Tally& operator[](RowCheck check) { return tally_[static_cast<std::size_t>(check)]; }
  const Tally& operator[](RowCheck check) const { return tally_[static_cast<std::size_t>(check)]; }
  void merge(const RowTallies& other) {
    for (std::size_t i = 0; i < kRowChecks; ++i) tally_[i].merge(other.tally_[i]);
  }

 private:
  std::array<Tally, kRowChecks> tally_;
};

/// A row recomputed exactly, and by how much (relative) an fp32 row may differ from it.
struct ExactRow {
  std::span<const double> prob;
  double tolerance = 0;
};

/// The stored statistics of one row.
struct StoredStats {
  std::span<const std::uint32_t> demand;  ///< [n_rho]
  float entropy = 0, sink_mass = 0, recent_mass = 0, max_prob = 0;
};

/// attention_prob and covering_set.
void check_attention(const traces::TraceInfo& info, const ExactRow& exact, const traces::AttentionRow& stored,
                     Place place, RowTallies& tallies);
/// residual.
void check_residual(const traces::AttentionRow& stored, Place place, RowTallies& tallies);
/// demand, entropy, sink_mass, recent_mass and max_prob.
void check_stats(const traces::TraceInfo& info, const ExactRow& exact, const StoredStats& stats, Place place,
                 std::vector<double>& scratch, RowTallies& tallies);
/// stats_in_bounds: what can be said without q and k.
void check_stats_in_bounds(const traces::TraceInfo& info, const traces::AttentionRow& stored, const StoredStats& stats,
                           Place place, std::vector<double>& scratch, RowTallies& tallies);

}  // namespace kvwave::replay
