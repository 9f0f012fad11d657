// Private to traces/: which parts of a byte sequence repeat earlier ones, for deflate.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace kvwave::traces {

/// One step through the bytes: so many literals, then one match (none after the last literals).
struct MatchStep {
  std::uint32_t literals;
  std::uint16_t length;         ///< 4 to 258, 0 = no match
  std::uint16_t distance_less;  ///< distance minus 1, 0 to 32767
};

/// Greedy search with two candidates per hash of four bytes, after the run of the previous byte. At most 4 GiB. The
/// steps cover all bytes; the last has no match.
void search_matches(std::span<const std::uint8_t> bytes, std::vector<MatchStep>& steps);

}  // namespace kvwave::traces
