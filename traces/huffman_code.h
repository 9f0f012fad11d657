// Private to traces/: canonical Huffman codes as deflate uses them (RFC 1951, section 3.2.2).
#pragma once

#include <cstdint>
#include <span>

namespace kvwave::traces {

/// A symbol's code, its bits reversed because deflate sends them starting with the most significant; 0 bits = unused.
struct HuffmanSymbol {
  std::uint16_t code = 0;
  std::uint8_t bits = 0;
};

/// Codes of at most `most_bits` (up to 15) bits for all symbols whose frequency is not 0; of equal sizes. At most 288
/// symbols, and few enough to fit: no more than 2^most_bits. A single used symbol gets one bit.
void build_huffman_code(std::span<const std::uint32_t> frequency, unsigned most_bits, std::span<HuffmanSymbol> symbols);

}  // namespace kvwave::traces
