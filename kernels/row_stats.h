// Statistics of one exact attention row, and the smallest set of positions that covers most of it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace kvwave::kernels {

struct RowStats {
  float entropy = 0;      ///< -sum p ln p, nats
  float sink_mass = 0;    ///< mass of the first n_sink positions
  float recent_mass = 0;  ///< mass of the last n_recent positions
  float max_prob = 0;
};

/// Reusable scratch; one per thread.
struct RowScratch {
  std::vector<float> a;
  std::vector<std::uint32_t> b, c;
};

/// demand[i] = N(rho[i]): the smallest number of positions whose attn_prob sum to at least rho[i] (fp64 sum over values
/// in descending order, equal values in ascending position); attn_prob.size() when even all do not reach it.
/// rho ascending in (0, 1]. attn_prob non-empty, each in [0, 1]. No full sort: cost is linear in the row.
/// Result equals the sort-based definition exactly (row_stats_reference). Returns the count of non-finite entries
/// (when not 0, the outputs are: demand = row length, stats NaN).
std::uint32_t row_stats(std::span<const float> attn_prob, std::span<const double> rho, std::uint32_t n_sink,
                        std::uint32_t n_recent, std::span<std::uint32_t> demand, RowStats& stats, RowScratch& scratch);
/// The definition itself: full sort, fp64.
std::uint32_t row_stats_reference(std::span<const float> attn_prob, std::span<const double> rho, std::uint32_t n_sink,
                                  std::uint32_t n_recent, std::span<std::uint32_t> demand, RowStats& stats);

enum class ProbType : std::uint8_t { f16, f32 };

/// Appends to position/prob the smallest set covering at least 1 - epsilon of the row (of its fp64 sum; ties to the
/// lower position; positions ascending; epsilon 0 stores all), with probabilities rounded toward zero to `type`
/// (prob: raw bytes). Returns the residual: 1 - sum of the *stored* values in fp64, rounded up to float, at least 0.
/// Then for every set S: stored(S) <= mass(S) <= stored(S) + residual, for a row that sums to 1 within rounding.
float select_covering(std::span<const float> attn_prob, double epsilon, ProbType type,
                      std::vector<std::uint32_t>& position, std::vector<std::byte>& prob, RowScratch& scratch);
float select_covering_reference(std::span<const float> attn_prob, double epsilon, ProbType type,
                                std::vector<std::uint32_t>& position, std::vector<std::byte>& prob);

}  // namespace kvwave::kernels
