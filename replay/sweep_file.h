// A sweep as a file, for `kvwave replay --sweep FILE.json`. One object; every field but the first is optional:
//
//   kvwave_sweep   1, the version of this schema
//   strategies     list of strategies: a text as -s takes it (lists in brackets too), or an object with `allocator`,
//                  `scorer` and, for each, an object `allocator_parameters`, `scorer_parameters` of key: value or
//                  key: [values], values being numbers or texts
//   budgets        list of whole numbers in [1, 1000000]
//   metrics        list of "mass", "error", "recall"
//   controls       true or false
//   baseline       text: the strategy that differences are taken to
//   equal_within   number above 0
//   seed           whole number in [0, 2^53]
//   resamples      whole number in [100, 1000000]
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace kvwave::replay {

struct SweepFile {
  std::vector<std::string> strategies;  ///< texts, lists expanded
  std::vector<std::uint32_t> budgets;
  std::vector<std::string> metrics;  ///< words, unchecked
  std::optional<bool> controls;
  std::optional<std::string> baseline;
  std::optional<double> equal_within;
  std::optional<std::uint64_t> seed;
  std::optional<std::uint32_t> resamples;
};

/// "-" is stdin. At most 1 MiB is read; unknown fields are refused with the nearest known one. Throws BadSweepFile
/// naming file and field, alloc::BadStrategy for lists that cannot be expanded.
SweepFile read_sweep_file(const std::filesystem::path& path);

}  // namespace kvwave::replay
