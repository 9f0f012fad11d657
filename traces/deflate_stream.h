// Private to traces/: a deflate stream (RFC 1951) put together from one block per byte plane, each in the form that
// suits it. Knowing the planes is what makes this faster than a general compressor: mantissa ends are stored, exponents
// only Huffman-coded, constant planes are runs, and only what repeats is searched for matches.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "traces/bit_writer.h"
#include "traces/match_search.h"

namespace kvwave::traces {

class DeflateStream {
 public:
  /// Writes into `out`; running out of room is not an error, see finish().
  explicit DeflateStream(std::span<std::uint8_t> out) : out_(out) {}

  /// Adds `plane` as one block (or several stored ones), the last of the stream when `last`.
  void add(std::span<const std::uint8_t> plane, bool last);
  /// Bytes written, or 0 when they did not fit.
  std::size_t finish();

 private:
  using Histogram = std::array<std::uint32_t, 256>;
  void add_stored(std::span<const std::uint8_t> plane, bool last);
  void add_coded(std::span<const std::uint8_t> plane, const Histogram& literals, bool last);

  BitWriter out_;
  std::vector<MatchStep> steps_;
};

}  // namespace kvwave::traces
