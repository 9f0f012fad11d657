// Statistics of one exact attention row, and the smallest set of positions that covers most of it.
//
// Every sum that decides a count is exact: each attn_prob is first rounded down to a multiple of 2^-42 and the sums are
// integers. So they do not depend on the order of addition, and a boundary can not move between the linear-time
// algorithm, the sort that defines it, SIMD paths or thread counts. Against an unrounded fp64 sum a row of n entries
// loses at most n * 2.3e-13. All results are the same bits on every SIMD path.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace kvwave::kernels {

struct RowStats {
  float entropy = 0;      ///< -sum p ln p, nats; within 1e-5 relative + 1e-7 of fp64
  float sink_mass = 0;    ///< mass of the first n_sink positions
  float recent_mass = 0;  ///< mass of the last n_recent positions
  float max_prob = 0;
};

enum class ProbType : std::uint8_t { f16, f32 };

/// Reads a row once and then answers questions about it, in time linear in the row and without a full sort. Holds the
/// scratch memory, so keep one per thread and reuse it.
class RowAnalyser {
 public:
  RowAnalyser();

  /// attn_prob non-empty, each in [0, 1] (up to 2 is tolerated, for rounding); at most 2^31 entries. The span must stay
  /// valid while questions are asked. Returns how many entries are no probability (NaN, infinite, negative, >= 2).
  std::uint32_t read(std::span<const float> attn_prob);

  /// out[i] = N(rho[i]): the smallest number of positions whose attn_prob sum to at least rho[i]; the row's length when
  /// even all do not reach it, or when the row has bad entries. rho ascending in (0, 1].
  void demand(std::span<const double> rho, std::span<std::uint32_t> out);
  /// All NaN when the row has bad entries.
  RowStats stats(std::uint32_t n_sink, std::uint32_t n_recent) const;

  /// Appends the smallest set covering at least 1 - epsilon of the row's sum: positions ascending, ties to the lower
  /// position, epsilon 0 stores all. Probabilities are rounded toward zero to `type` (prob: raw bytes). Returns the
  /// residual: 1 - the sum of the *stored* values, rounded up to float, at least 0. Then for every set S:
  /// stored(S) <= mass(S) <= stored(S) + residual, for a row that sums to 1 within rounding.
  /// A row with bad entries appends nothing and has residual 1.
  float append_covering(double epsilon, ProbType type, std::vector<std::uint32_t>& position,
                        std::vector<std::byte>& prob);

 private:
  /// The smallest set that reaches a sum: `count` entries, all above `threshold` (bits of a float) and the first
  /// `ties_taken` of the `ties` entries equal to it.
  struct Cut {
    std::uint32_t count = 0, threshold = 0, ties_taken = 0, ties = 0;
  };
  /// Walks buckets from the largest values down; `bucket`, `count` and `sum` say what lies above the walk's place.
  struct Walk {
    std::uint32_t bucket = 0, count = 0;
    std::uint64_t sum = 0;
  };
  Cut cut(std::uint64_t target, Walk& walk);

  std::span<const float> row_;
  std::uint32_t invalid_ = 0;
  float max_prob_ = 0;
  double entropy_ = 0;
  std::uint64_t total_ = 0;
  std::uint32_t top_bucket_ = 0;
  std::vector<std::uint16_t> bucket_;        // of each position, padded to whole blocks
  std::vector<std::uint64_t> bucket_sum_;    // [buckets] exact sums, multiples of 2^-42
  std::vector<std::uint32_t> bucket_count_;  // [buckets]
  std::vector<std::uint32_t> candidate_;     // members of one bucket
  std::vector<float> kept_;
};

/// Reusable scratch of the one-call forms below; one per thread.
using RowScratch = RowAnalyser;

/// read(), demand() and stats() in one call; returns what read() returns.
std::uint32_t row_stats(std::span<const float> attn_prob, std::span<const double> rho, std::uint32_t n_sink,
                        std::uint32_t n_recent, std::span<std::uint32_t> demand, RowStats& stats, RowScratch& scratch);
/// read() and append_covering() in one call.
float select_covering(std::span<const float> attn_prob, double epsilon, ProbType type,
                      std::vector<std::uint32_t>& position, std::vector<std::byte>& prob, RowScratch& scratch);

/// The definitions themselves: full sort, entropy in fp64. demand, masses, max_prob and covering sets equal these
/// exactly.
std::uint32_t row_stats_reference(std::span<const float> attn_prob, std::span<const double> rho, std::uint32_t n_sink,
                                  std::uint32_t n_recent, std::span<std::uint32_t> demand, RowStats& stats);
float select_covering_reference(std::span<const float> attn_prob, double epsilon, ProbType type,
                                std::vector<std::uint32_t>& position, std::vector<std::byte>& prob);

}  // namespace kvwave::kernels
