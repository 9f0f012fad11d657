// Byte-pair merging: starts from single bytes and joins, again and again, the neighbours whose merge has the lowest
// rank (the leftmost of equals). Sennrich et al. 2016; Radford et al. 2019 for the byte level.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "capture/text_hash.h"

namespace kvwave::capture {

using PieceIds = std::unordered_map<std::string, std::int32_t, TextHash, std::equal_to<>>;

class Bpe {
 public:
  /// `ids` maps pieces in the byte alphabet to ids, `merges` are "left right" in order of rank. Throws BadModelFile
  /// when a merge is not of that form or names a piece that is not in `ids`.
  Bpe(const PieceIds& ids, const std::vector<std::string>& merges);

  /// Appends the ids of one word. O(n log n) in its bytes. Throws BadPrompt when the vocabulary has no piece for a
  /// byte.
  void encode(std::string_view word, std::vector<std::int32_t>& out) const;

 private:
  struct Merge {
    std::uint32_t rank = 0;
    std::int32_t result = 0;
  };
  const Merge* find(std::int32_t left, std::int32_t right) const;

  std::array<std::int32_t, 256> byte_ids_{};  // -1: no piece
  std::unordered_map<std::uint64_t, Merge> merges_;
};

}  // namespace kvwave::capture
