#include "kernels/params.h"

#include <array>
#include <bit>
#include <cassert>
#include <cstring>

#include "kernels/half.h"

namespace kvwave::kernels {
namespace {

struct TypeFacts {
  std::string_view name;
  std::size_t values;
  std::size_t bytes;
};

// In the order of ParamType.
constexpr std::array<TypeFacts, kParamTypeCount> kFacts = {{{"F32", 1, 4},
                                                            {"F16", 1, 2},
                                                            {"BF16", 1, 2},
                                                            {"Q4_0", 32, 18},
                                                            {"Q4_1", 32, 20},
                                                            {"Q5_0", 32, 22},
                                                            {"Q5_1", 32, 24},
                                                            {"Q8_0", 32, 34},
                                                            {"Q4_K", 256, 144},
                                                            {"Q5_K", 256, 176},
                                                            {"Q6_K", 256, 210},
                                                            {"Q2_K", 256, 84},
                                                            {"Q3_K", 256, 110},
                                                            {"IQ4_NL", 32, 18},
                                                            {"MXFP4", 32, 17}}};

const TypeFacts& facts(ParamType type) {
  return kFacts[static_cast<std::size_t>(type)];
}

std::uint16_t load_u16(const std::byte* p) {
  std::uint16_t v = 0;
  std::memcpy(&v, p, sizeof v);
  return v;
}
float load_half(const std::byte* p) {
  return f16_to_f32(load_u16(p));
}
int low_nibble(std::byte b) {
  return std::to_integer<int>(b) & 15;
}
int high_nibble(std::byte b) {
  return std::to_integer<int>(b) >> 4;
}
int bit_of(std::byte b, std::size_t i) {
  return (std::to_integer<int>(b) >> i) & 1;
}
int signed_byte(std::byte b) {
  return std::bit_cast<std::int8_t>(b);
}

// 4-bit and 5-bit blocks of 32: byte j holds element j in its low and element j + 16 in its high nibble; `fifth`, where
// given, is a little-endian field of 32 bits with the fifth bit of element j at bit j. value = scale * quant + shift.
void expand_nibbles_32(const std::byte* nibbles, const std::byte* fifth, int bias, float scale, float shift,
                       float* out) {
  for (std::size_t j = 0; j < 16; ++j) {
    int low = low_nibble(nibbles[j]);
    int high = high_nibble(nibbles[j]);
    if (fifth != nullptr) {
      low |= bit_of(fifth[j / 8], j % 8) << 4;
      high |= bit_of(fifth[2 + j / 8], j % 8) << 4;
    }
    out[j] = scale * static_cast<float>(low - bias) + shift;
    out[j + 16] = scale * static_cast<float>(high - bias) + shift;
  }
}

void block_q8_0(const std::byte* block, float* out) {
  const float scale = load_half(block);
  for (std::size_t j = 0; j < 32; ++j) out[j] = scale * static_cast<float>(signed_byte(block[2 + j]));
}

// Eight pairs of six bits packed in 12 bytes: the scale and the minimum of sub-block i.
struct SixBitPair {
  int scale = 0;
  int minimum = 0;
};
SixBitPair six_bit_pair(const std::byte* packed, std::size_t i) {
  const auto at = [packed](std::size_t k) { return std::to_integer<int>(packed[k]); };
  if (i < 4) return {at(i) & 63, at(i + 4) & 63};
  return {(at(i + 4) & 15) | ((at(i - 4) >> 6) << 4), (at(i + 4) >> 4) | ((at(i) >> 6) << 4)};
}

// Q4_K (fifth = nullptr) and Q5_K: eight sub-blocks of 32; 32 bytes of nibbles serve two neighbouring sub-blocks, and
// bit i of fifth[l] belongs to element l of sub-block i.
void expand_k_45(const std::byte* block, const std::byte* fifth, const std::byte* nibbles, float* out) {
  const float scale = load_half(block);
  const float minimum = load_half(block + 2);
  for (std::size_t i = 0; i < 8; ++i) {
    const SixBitPair pair = six_bit_pair(block + 4, i);
    const float sub_scale = scale * static_cast<float>(pair.scale);
    const float sub_minimum = minimum * static_cast<float>(pair.minimum);
    for (std::size_t l = 0; l < 32; ++l) {
      const std::byte b = nibbles[32 * (i / 2) + l];
      int quant = i % 2 == 0 ? low_nibble(b) : high_nibble(b);
      if (fifth != nullptr) quant |= bit_of(fifth[l], i) << 4;
      out[32 * i + l] = sub_scale * static_cast<float>(quant) - sub_minimum;
    }
  }
}

// Sixteen sub-blocks of 16 with 8-bit scales; six-bit quants as four low bits and two high bits, in two halves of 128.
void block_q6_k(const std::byte* block, float* out) {
  const std::byte* scales = block + 192;
  const float scale = load_half(block + 208);
  for (std::size_t half = 0; half < 2; ++half) {
    const std::byte* low = block + 64 * half;
    const std::byte* high = block + 128 + 32 * half;
    for (std::size_t quarter = 0; quarter < 4; ++quarter) {
      for (std::size_t l = 0; l < 32; ++l) {
        const std::byte b = low[l + 32 * (quarter % 2)];
        const int four = quarter < 2 ? low_nibble(b) : high_nibble(b);
        const int two = (std::to_integer<int>(high[l]) >> (2 * quarter)) & 3;
        const float sub_scale = scale * static_cast<float>(signed_byte(scales[8 * half + 2 * quarter + l / 16]));
        out[128 * half + 32 * quarter + l] = sub_scale * static_cast<float>((four | (two << 4)) - 32);
      }
    }
  }
}

// Sixteen sub-blocks of 16; 32 bytes of two-bit quants serve four runs of 32 values, two bits each. A byte per
// sub-block holds its scale in the low and its minimum in the high nibble.
void block_q2_k(const std::byte* block, float* out) {
  const float scale = load_half(block + 80);
  const float minimum = load_half(block + 82);
  for (std::size_t i = 0; i < 256; ++i) {
    const std::size_t run = i / 32;
    const int quant = (std::to_integer<int>(block[16 + 32 * (run / 4) + i % 32]) >> (2 * (run % 4))) & 3;
    const float sub_scale = scale * static_cast<float>(low_nibble(block[i / 16]));
    const float sub_minimum = minimum * static_cast<float>(high_nibble(block[i / 16]));
    out[i] = sub_scale * static_cast<float>(quant) - sub_minimum;
  }
}

// As Q2_K, with a third bit: bit r of byte l of the mask belongs to element l of run r, and where it is not set 4 is
// taken off. Six-bit scales: low nibbles in 8 bytes (sub-blocks 0 to 7 the low, 8 to 15 the high half), then the two
// high bits of sub-blocks i, i + 4, i + 8, i + 12 in byte i of 4.
void block_q3_k(const std::byte* block, float* out) {
  const std::byte* low_bits = block + 32;
  const std::byte* scales = block + 96;
  const float scale = load_half(block + 108);
  for (std::size_t i = 0; i < 256; ++i) {
    const std::size_t run = i / 32, sub = i / 16;
    const std::byte packed = scales[sub % 8];
    const int four = sub < 8 ? low_nibble(packed) : high_nibble(packed);
    const int two = (std::to_integer<int>(scales[8 + sub % 4]) >> (2 * (sub / 4))) & 3;
    const int quant = (std::to_integer<int>(low_bits[32 * (run / 4) + i % 32]) >> (2 * (run % 4))) & 3;
    const int offset = bit_of(block[i % 32], run) == 1 ? 0 : 4;
    out[i] = scale * static_cast<float>((four | (two << 4)) - 32) * static_cast<float>(quant - offset);
  }
}

// Four-bit blocks of 32 whose nibbles, ordered as in Q4_0, choose from a table.
void expand_table_32(const std::byte* nibbles, const std::array<float, 16>& table, float scale, float* out) {
  for (std::size_t j = 0; j < 16; ++j) {
    out[j] = scale * table[static_cast<std::size_t>(low_nibble(nibbles[j]))];
    out[j + 16] = scale * table[static_cast<std::size_t>(high_nibble(nibbles[j]))];
  }
}
constexpr std::array<float, 16> kIq4Values = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
constexpr std::array<float, 16> kFp4Values = {0, 1,  2,  3,  4,  6,  8,  12,  // e2m1, doubled
                                              0, -1, -2, -3, -4, -6, -8, -12};

// 2^(exponent - 128): the scale of MXFP4, halved because its table is doubled.
float half_of_e8m0(std::byte exponent) {
  const auto e = std::to_integer<std::uint32_t>(exponent);
  return std::bit_cast<float>(e < 2 ? 0x00200000U << e : (e - 1) << 23);
}

void expand_block(ParamType type, const std::byte* block, float* out) {
  switch (type) {
    case ParamType::f32:
      std::memcpy(out, block, sizeof *out);
      return;
    case ParamType::f16:
      *out = load_half(block);
      return;
    case ParamType::bf16:
      *out = bf16_to_f32(load_u16(block));
      return;
    case ParamType::q4_0:
      return expand_nibbles_32(block + 2, nullptr, 8, load_half(block), 0.0F, out);
    case ParamType::q4_1:
      return expand_nibbles_32(block + 4, nullptr, 0, load_half(block), load_half(block + 2), out);
    case ParamType::q5_0:
      return expand_nibbles_32(block + 6, block + 2, 16, load_half(block), 0.0F, out);
    case ParamType::q5_1:
      return expand_nibbles_32(block + 8, block + 4, 0, load_half(block), load_half(block + 2), out);
    case ParamType::q8_0:
      return block_q8_0(block, out);
    case ParamType::q4_k:
      return expand_k_45(block, nullptr, block + 16, out);
    case ParamType::q5_k:
      return expand_k_45(block, block + 16, block + 48, out);
    case ParamType::q6_k:
      return block_q6_k(block, out);
    case ParamType::q2_k:
      return block_q2_k(block, out);
    case ParamType::q3_k:
      return block_q3_k(block, out);
    case ParamType::iq4_nl:
      return expand_table_32(block + 2, kIq4Values, load_half(block), out);
    case ParamType::mxfp4:
      return expand_table_32(block + 1, kFp4Values, half_of_e8m0(block[0]), out);
  }
}

}  // namespace

std::string_view to_string(ParamType type) {
  return facts(type).name;
}
std::size_t block_values(ParamType type) {
  return facts(type).values;
}
std::size_t block_bytes(ParamType type) {
  return facts(type).bytes;
}

bool runs_on_cuda(ParamType type) {
  return type < ParamType::q2_k;
}

std::size_t row_bytes(ParamType type, std::size_t cols) {
  assert(cols % block_values(type) == 0);
  return cols / block_values(type) * block_bytes(type);
}

void dequantise_row(ParamType type, const std::byte* row, std::span<float> out) {
  const std::size_t values = block_values(type);
  assert(out.size() % values == 0);
  for (std::size_t i = 0; i < out.size(); i += values, row += block_bytes(type)) {
    expand_block(type, row, out.data() + i);
  }
}

}  // namespace kvwave::kernels
