#include "traces/match_search.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstring>

namespace kvwave::traces {
namespace {

constexpr std::size_t kWindow = 32768;
constexpr std::size_t kShortest = 4;  ///< deflate allows 3, which saves little
constexpr std::size_t kLongest = 258;
constexpr unsigned kHashBits = 14;

std::uint32_t load32(const std::uint8_t* bytes) {
  std::uint32_t value = 0;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

std::uint32_t hash(std::uint32_t word) {
  return (word * 2654435761U) >> (32 - kHashBits);
}

std::size_t common_length(const std::uint8_t* a, const std::uint8_t* b, std::size_t most) {
  std::size_t length = 0;
  for (; length + 8 <= most; length += 8) {
    std::uint64_t x = 0;
    std::uint64_t y = 0;
    std::memcpy(&x, a + length, 8);
    std::memcpy(&y, b + length, 8);
    // The lowest bits that differ are those of the first byte that differs.
    static_assert(std::endian::native == std::endian::little);
    if (x != y) return length + static_cast<std::size_t>(std::countr_zero(x ^ y)) / 8;
  }
  while (length < most && a[length] == b[length]) ++length;
  return length;
}

}  // namespace

void search_matches(std::span<const std::uint8_t> input, std::vector<MatchStep>& steps) {
  std::array<std::array<std::uint32_t, 2>, 1U << kHashBits> seen{};  // last two positions plus 1
  steps.clear();
  const std::uint8_t* bytes = input.data();
  const std::size_t end = input.size() >= kShortest ? input.size() - kShortest + 1 : 0;
  std::size_t literal_begin = 0;
  std::size_t at = 0;
  while (at < end) {
    const std::uint32_t word = load32(bytes + at);
    auto& slot = seen[hash(word)];
    const std::size_t most = std::min(kLongest, input.size() - at);
    std::size_t length = 0;
    std::size_t from = 0;
    const auto consider = [&](std::size_t candidate) {
      if (candidate >= at || at - candidate > kWindow || load32(bytes + candidate) != word) return;
      const std::size_t common =
          kShortest + common_length(bytes + at + kShortest, bytes + candidate + kShortest, most - kShortest);
      if (common <= length) return;
      length = common;
      from = candidate;
    };
    if (at != 0 && word == bytes[at - 1] * 0x01010101U) {
      consider(at - 1);
    } else {
      consider(slot[0] - std::size_t{1});  // an empty slot wraps around to a position beyond `at`
      consider(slot[1] - std::size_t{1});
    }
    slot = {static_cast<std::uint32_t>(at + 1), slot[0]};
    if (length == 0) {
      ++at;
      continue;
    }
    steps.push_back({static_cast<std::uint32_t>(at - literal_begin), static_cast<std::uint16_t>(length),
                     static_cast<std::uint16_t>(at - from - 1)});
    const std::size_t next = at + length;
    if (length < kLongest) {  // inside a long run there is nothing new to remember
      for (++at; at < std::min(next, end); ++at) {
        auto& inner = seen[hash(load32(bytes + at))];
        inner = {static_cast<std::uint32_t>(at + 1), inner[0]};
      }
    }
    at = literal_begin = next;
  }
  steps.push_back({static_cast<std::uint32_t>(input.size() - literal_begin), 0, 0});
}

}  // namespace kvwave::traces
