#include "traces/deflate_stream.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "traces/huffman_code.h"

namespace kvwave::traces {
namespace {

constexpr std::size_t kStoredBlock = 65535;  ///< most bytes of one stored block
constexpr std::size_t kLongest = 258;        ///< most bytes of one match
constexpr unsigned kEnd = 256;               ///< symbol that ends a block
constexpr std::size_t kLiterals = 286;
constexpr std::size_t kDistances = 30;
constexpr std::size_t kLengthCodes = 19;
constexpr std::size_t kSample = 8192;
constexpr double kMatchBits = 22;   ///< what a match costs, roughly
constexpr double kNoiseBits = 7.9;  ///< bytes that carry more than this are stored as they are

constexpr std::array<std::uint16_t, 29> kLengthBase = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                                                       31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
constexpr std::array<std::uint8_t, 29> kLengthExtra = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                                       2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};

/// Index into kLengthBase for each length from 0 to 258.
constexpr auto kLengthIndex = [] {
  std::array<std::uint8_t, kLongest + 1> index{};
  for (std::size_t length = 3, i = 0; length <= kLongest; ++length) {
    while (i + 1 < kLengthBase.size() && kLengthBase[i + 1] <= length) ++i;
    index[length] = static_cast<std::uint8_t>(i);
  }
  return index;
}();

struct Distance {
  unsigned symbol, extra_bits;
  std::uint32_t extra;
};

Distance split_distance(std::uint32_t less) {
  if (less < 4) return {less, 0, 0};
  const auto top = static_cast<unsigned>(std::bit_width(less)) - 1;
  return {2 * top + ((less >> (top - 1)) & 1U), top - 1, less & ((1U << (top - 1)) - 1)};
}

/// Counts in four tables, so that equal bytes in a row do not wait for one another.
std::array<std::uint32_t, 256> histogram(std::span<const std::uint8_t> bytes) {
  std::array<std::array<std::uint32_t, 256>, 4> part{};
  std::size_t i = 0;
  for (; i + 4 <= bytes.size(); i += 4) {
    for (std::size_t lane = 0; lane < 4; ++lane) ++part[lane][bytes[i + lane]];
  }
  for (; i < bytes.size(); ++i) ++part[0][bytes[i]];
  for (std::size_t value = 0; value < 256; ++value) part[0][value] += part[1][value] + part[2][value] + part[3][value];
  return part[0];
}

/// Bits of a literal under a good Huffman code: the entropy, but no code is shorter than one bit.
double literal_bits(const std::array<std::uint32_t, 256>& counts, std::size_t total) {
  double bits = 0;
  for (const std::uint32_t count : counts) {
    if (count != 0) bits += count * std::log2(static_cast<double>(total) / count);
  }
  return std::max(1.0, bits / static_cast<double>(total));
}

/// Whether matches save at least a twentieth of what coding the sampled bytes one by one takes.
bool worth_matching(std::span<const MatchStep> steps, std::size_t sampled, double bits_each) {
  double saved = 0;
  for (const MatchStep& step : steps) {
    if (step.length != 0) saved += step.length * bits_each - kMatchBits;
  }
  return saved > static_cast<double>(sampled) * bits_each / 20;
}

/// The two alphabets of a dynamic block and how they are sent.
struct BlockCodes {
  std::array<std::uint32_t, kLiterals> literal_count{};
  std::array<std::uint32_t, kDistances> distance_count{};
  std::array<HuffmanSymbol, kLiterals> literal{};
  std::array<HuffmanSymbol, kDistances> distance{};

  /// Code lengths as sent: symbols 0 to 18 of the code-length alphabet with their extra bits.
  struct Length {
    std::uint8_t symbol, extra, extra_bits;
  };
  std::vector<Length> lengths;
  std::size_t sent_literals = 257, sent_distances = 1;
  std::array<HuffmanSymbol, kLengthCodes> length_code{};

  void build() {
    build_huffman_code(literal_count, 15, literal);
    build_huffman_code(distance_count, 15, distance);
    for (std::size_t i = 257; i < kLiterals; ++i) {
      if (literal[i].bits != 0) sent_literals = i + 1;
    }
    for (std::size_t i = 1; i < kDistances; ++i) {
      if (distance[i].bits != 0) sent_distances = i + 1;
    }
    std::vector<std::uint8_t> bits;
    for (std::size_t i = 0; i < sent_literals; ++i) bits.push_back(literal[i].bits);
    for (std::size_t i = 0; i < sent_distances; ++i) bits.push_back(distance[i].bits);
    pack_lengths(bits);
    std::array<std::uint32_t, kLengthCodes> count{};
    for (const Length& length : lengths) ++count[length.symbol];
    build_huffman_code(count, 7, length_code);
  }

  /// Runs of zeros (17, 18) and repeats of the previous length (16), RFC 1951, section 3.2.7.
  void pack_lengths(std::span<const std::uint8_t> bits) {
    for (std::size_t i = 0; i < bits.size();) {
      std::size_t run = 1;
      while (i + run < bits.size() && bits[i + run] == bits[i]) ++run;
      i += run;
      const std::uint8_t value = bits[i - run];
      if (value != 0) {
        lengths.push_back({value, 0, 0});
        --run;
      }
      while (run >= 3) {
        const std::size_t most = value != 0 ? 6 : run >= 11 ? 138 : 10;
        const std::size_t taken = std::min(run, most);
        if (value != 0) {
          lengths.push_back({16, static_cast<std::uint8_t>(taken - 3), 2});
        } else if (run >= 11) {
          lengths.push_back({18, static_cast<std::uint8_t>(taken - 11), 7});
        } else {
          lengths.push_back({17, static_cast<std::uint8_t>(taken - 3), 3});
        }
        run -= taken;
      }
      for (; run != 0; --run) lengths.push_back({value, 0, 0});
    }
  }
};

constexpr std::array<std::uint8_t, kLengthCodes> kLengthOrder = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                                                 11, 4,  12, 3, 13, 2, 14, 1, 15};

}  // namespace

void DeflateStream::add(std::span<const std::uint8_t> plane, bool last) {
  if (plane.empty() || out_.full()) return add_stored(plane, last);
  Histogram counts = histogram(plane);
  const double bits_each = literal_bits(counts, plane.size());
  const auto sample =
      plane.subspan((plane.size() - std::min(kSample, plane.size())) / 2, std::min(kSample, plane.size()));
  search_matches(sample, steps_);
  if (worth_matching(steps_, sample.size(), bits_each)) {
    if (sample.size() < plane.size()) search_matches(plane, steps_);
    counts = {};
    const std::uint8_t* byte = plane.data();
    for (const MatchStep& step : steps_) {
      for (std::uint32_t i = 0; i < step.literals; ++i) ++counts[byte[i]];
      byte += step.literals + step.length;
    }
  } else if (bits_each > kNoiseBits) {
    return add_stored(plane, last);
  } else {
    steps_.assign(1, {static_cast<std::uint32_t>(plane.size()), 0, 0});
  }
  add_coded(plane, counts, last);
}

void DeflateStream::add_stored(std::span<const std::uint8_t> plane, bool last) {
  do {
    const auto piece = plane.first(std::min(kStoredBlock, plane.size()));
    plane = plane.subspan(piece.size());
    out_.put(last && plane.empty() ? 1 : 0, 3);
    out_.pad_to_byte();
    out_.put(piece.size(), 16);
    out_.put(~piece.size() & 0xFFFF, 16);
    out_.put_bytes(piece);
  } while (!plane.empty());
}

void DeflateStream::add_coded(std::span<const std::uint8_t> plane, const Histogram& literals, bool last) {
  BlockCodes codes;
  std::copy(literals.begin(), literals.end(), codes.literal_count.begin());
  for (const MatchStep& step : steps_) {
    if (step.length == 0) continue;
    ++codes.literal_count[257U + kLengthIndex[step.length]];
    ++codes.distance_count[split_distance(step.distance_less).symbol];
  }
  codes.literal_count[kEnd] = 1;
  codes.build();

  BitWriter out = out_;      // a copy of its own can live in registers
  out.put(last ? 5 : 4, 3);  // dynamic codes
  out.put(codes.sent_literals - 257, 5);
  out.put(codes.sent_distances - 1, 5);
  std::size_t sent = kLengthCodes;
  while (sent > 4 && codes.length_code[kLengthOrder[sent - 1]].bits == 0) --sent;
  out.put(sent - 4, 4);
  for (std::size_t i = 0; i < sent; ++i) out.put(codes.length_code[kLengthOrder[i]].bits, 3);
  for (const BlockCodes::Length& length : codes.lengths) {
    out.put(codes.length_code[length.symbol].code, codes.length_code[length.symbol].bits);
    out.put(length.extra, length.extra_bits);
  }
  const std::uint8_t* byte = plane.data();
  for (const MatchStep& step : steps_) {
    for (std::uint32_t i = 0; i < step.literals; ++i) {
      const HuffmanSymbol symbol = codes.literal[byte[i]];
      out.put(symbol.code, symbol.bits);
    }
    byte += step.literals + step.length;
    if (step.length == 0) continue;
    const unsigned index = kLengthIndex[step.length];
    out.put(codes.literal[257 + index].code, codes.literal[257 + index].bits);
    out.put(step.length - kLengthBase[index], kLengthExtra[index]);
    const Distance distance = split_distance(step.distance_less);
    out.put(codes.distance[distance.symbol].code, codes.distance[distance.symbol].bits);
    out.put(distance.extra, distance.extra_bits);
  }
  out.put(codes.literal[kEnd].code, codes.literal[kEnd].bits);
  out_ = out;
}

std::size_t DeflateStream::finish() {
  out_.pad_to_byte();
  return out_.full() ? 0 : out_.used();
}

}  // namespace kvwave::traces
