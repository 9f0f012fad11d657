// Private to alloc: what allocators share that compare the scores of a layer's KV heads.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace kvwave::alloc {

/// Entries that each KV head can fill of a budget that leaves out `set_apart` of its residents.
std::vector<double> usable_entries(std::span<const std::uint32_t> residents, std::uint32_t set_apart);

/// Where `total` holds all that is usable: every head gets what it can use, the rest is divided evenly. Returns whether
/// that was so; otherwise `share` is left alone.
bool keep_everything(std::span<const double> usable, std::int64_t total, std::span<std::int32_t> share);

enum class ThresholdTies {
  all,  ///< every score equal to the threshold counts, so that counts may sum to more than `total`
  cut   ///< of equal scores those of lower heads and slots count, so that counts sum to `total`
};

/// How many of each head's scores are among the `total` largest of all; total >= 0, finite scores.
std::vector<double> counts_among_top(std::span<const std::span<const float>> scores, std::int64_t total,
                                     ThresholdTies ties);

/// Rounds to the nearest integer, halves to the even one: what torch.round and Python's round do.
std::int32_t round_half_even(double value);

}  // namespace kvwave::alloc
