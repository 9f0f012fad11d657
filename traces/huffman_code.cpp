#include "traces/huffman_code.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace kvwave::traces {
namespace {

constexpr std::size_t kMostSymbols = 288;
constexpr unsigned kMostBits = 15;

struct Leaf {
  std::uint32_t frequency;
  std::uint16_t symbol;
};

/// Depth of each leaf in an optimal tree, leaves ascending by frequency; the two-queue form of Huffman's method, where
/// both the leaves and the inner nodes come out in ascending order. Returns how many leaves lie at each depth, with
/// those beyond `most_bits` counted there.
std::array<std::uint32_t, kMostBits + 1> count_depths(std::span<const Leaf> leaves, unsigned most_bits) {
  std::array<std::uint64_t, kMostSymbols> weight{};  // of inner nodes
  std::array<std::uint16_t, kMostSymbols> leaf_parent{}, inner_parent{};
  const std::size_t inner = leaves.size() - 1;
  std::size_t next_leaf = 0;
  std::size_t next_inner = 0;
  for (std::size_t node = 0; node < inner; ++node) {
    for (int child = 0; child < 2; ++child) {
      const bool leaf_first =
          next_leaf < leaves.size() && (next_inner >= node || leaves[next_leaf].frequency <= weight[next_inner]);
      if (leaf_first) {
        weight[node] += leaves[next_leaf].frequency;
        leaf_parent[next_leaf++] = static_cast<std::uint16_t>(node);
      } else {
        weight[node] += weight[next_inner];
        inner_parent[next_inner++] = static_cast<std::uint16_t>(node);
      }
    }
  }
  std::array<std::uint32_t, kMostSymbols> depth{};  // of inner nodes; the last one is the root
  for (std::size_t node = inner - 1; node-- > 0;) depth[node] = depth[inner_parent[node]] + 1;
  std::array<std::uint32_t, kMostBits + 1> count{};
  for (std::size_t leaf = 0; leaf < leaves.size(); ++leaf) {
    ++count[std::min(depth[leaf_parent[leaf]] + 1, most_bits)];
  }
  return count;
}

/// Cutting long codes short leaves too many of them; splits shorter ones until all fit (Kraft's sum is 1 again).
void restore_prefix_property(std::array<std::uint32_t, kMostBits + 1>& count, unsigned most_bits) {
  std::uint32_t used = 0;
  for (unsigned bits = 1; bits <= most_bits; ++bits) used += count[bits] << (most_bits - bits);
  for (; used > (1U << most_bits); --used) {
    unsigned bits = most_bits - 1;
    while (count[bits] == 0) --bits;
    --count[bits];
    count[bits + 1] += 2;
    --count[most_bits];
  }
}

std::uint16_t reversed(std::uint32_t code, unsigned bits) {
  std::uint32_t result = 0;
  for (unsigned i = 0; i < bits; ++i) result |= ((code >> i) & 1U) << (bits - 1 - i);
  return static_cast<std::uint16_t>(result);
}

}  // namespace

void build_huffman_code(std::span<const std::uint32_t> frequency, unsigned most_bits,
                        std::span<HuffmanSymbol> symbols) {
  std::fill(symbols.begin(), symbols.end(), HuffmanSymbol{});
  std::array<Leaf, kMostSymbols> storage{};
  std::size_t used = 0;
  for (std::size_t symbol = 0; symbol < frequency.size(); ++symbol) {
    if (frequency[symbol] != 0) storage[used++] = {frequency[symbol], static_cast<std::uint16_t>(symbol)};
  }
  if (used == 0) return;
  const std::span<Leaf> leaves(storage.data(), used);
  if (used == 1) {
    symbols[leaves[0].symbol].bits = 1;
    return;
  }
  std::sort(leaves.begin(), leaves.end(), [](const Leaf& a, const Leaf& b) {
    return a.frequency != b.frequency ? a.frequency < b.frequency : a.symbol < b.symbol;
  });
  std::array<std::uint32_t, kMostBits + 1> count = count_depths(leaves, most_bits);
  restore_prefix_property(count, most_bits);
  std::size_t leaf = 0;  // the rarest symbols get the longest codes
  for (unsigned bits = most_bits; bits >= 1; --bits) {
    for (std::uint32_t i = 0; i < count[bits]; ++i)
      symbols[leaves[leaf++].symbol].bits = static_cast<std::uint8_t>(bits);
  }
  std::array<std::uint32_t, kMostBits + 2> next{};
  for (unsigned bits = 1; bits <= most_bits; ++bits) next[bits + 1] = (next[bits] + count[bits]) << 1;
  for (HuffmanSymbol& symbol : symbols) {
    if (symbol.bits != 0) symbol.code = reversed(next[symbol.bits]++, symbol.bits);
  }
}

}  // namespace kvwave::traces
