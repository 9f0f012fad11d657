// How each ParamType expands 32 values into registers. Included after one vector_*.h; see params.h for the layouts.
#pragma once

#include <cstddef>
#include <cstdint>

namespace {  // NOLINT(google-build-namespaces): one copy per instruction set

constexpr int kChunk = 32;                  // values that expand() gives at once
constexpr int kVectors = kChunk / kWidth;   // registers they fill
constexpr int kHalfVectors = kVectors / 2;  // registers of 16 values

// Each format: kValues and kBytes of a block, a Header made once per block, and expand(block, header, s, w) for the
// s-th run of 32 values of a block.

struct NoHeader {
  inline void read(const std::uint8_t*) {}
};

struct F32Format {
  static constexpr int kValues = kChunk, kBytes = 4 * kChunk;
  using Header = NoHeader;
  static inline void expand(const std::uint8_t* block, const Header&, int, F* w) {
    for (int j = 0; j < kVectors; ++j) w[j] = load(reinterpret_cast<const float*>(block) + j * kWidth);
  }
};

struct F16Format {
  static constexpr int kValues = kChunk, kBytes = 2 * kChunk;
  using Header = NoHeader;
  static inline void expand(const std::uint8_t* block, const Header&, int, F* w) {
    for (int j = 0; j < kVectors; ++j) w[j] = load_f16(reinterpret_cast<const std::uint16_t*>(block) + j * kWidth);
  }
};

struct Bf16Format {
  static constexpr int kValues = kChunk, kBytes = 2 * kChunk;
  using Header = NoHeader;
  static inline void expand(const std::uint8_t* block, const Header&, int, F* w) {
    for (int j = 0; j < kVectors; ++j) w[j] = load_bf16(reinterpret_cast<const std::uint16_t*>(block) + j * kWidth);
  }
};

inline void expand_nibbles(const std::uint8_t* nibbles, const NibbleTable& table, F* w) {
  for (int j = 0; j < kHalfVectors; ++j) {
    const I bytes = load_bytes(nibbles + j * kWidth);
    w[j] = table.low(bytes);
    w[j + kHalfVectors] = table.high(bytes);
  }
}

struct Q40Format {
  static constexpr int kValues = 32, kBytes = 18;
  using Header = NoHeader;
  static inline void expand(const std::uint8_t* block, const Header&, int, F* w) {
    const F scale = broadcast_half(block);
    expand_nibbles(block + 2, NibbleTable(scale, mul(scale, set1(-8))), w);
  }
};

struct Q41Format {
  static constexpr int kValues = 32, kBytes = 20;
  using Header = NoHeader;
  static inline void expand(const std::uint8_t* block, const Header&, int, F* w) {
    const HalfPair scale_shift = broadcast_half_pair(block);
    expand_nibbles(block + 4, NibbleTable(scale_shift.a, scale_shift.b), w);
  }
};

inline void expand_five_bits(const std::uint8_t* fifth, const std::uint8_t* nibbles, F scale, F shift, F* w) {
  std::uint32_t bits;
  __builtin_memcpy(&bits, fifth, 4);
  for (int j = 0; j < kHalfVectors; ++j) {
    const I bytes = load_bytes(nibbles + j * kWidth);
    const I low = bit_or(low_nibbles(bytes), bits_to_16(bits >> (j * kWidth)));
    const I high = bit_or(high_nibbles(bytes), bits_to_16(bits >> (16 + j * kWidth)));
    w[j] = fma(scale, to_float(low), shift);
    w[j + kHalfVectors] = fma(scale, to_float(high), shift);
  }
}

struct Q50Format {
  static constexpr int kValues = 32, kBytes = 22;
  using Header = NoHeader;
  static inline void expand(const std::uint8_t* block, const Header&, int, F* w) {
    const F scale = broadcast_half(block);
    expand_five_bits(block + 2, block + 6, scale, mul(scale, set1(-16)), w);
  }
};

struct Q51Format {
  static constexpr int kValues = 32, kBytes = 24;
  using Header = NoHeader;
  static inline void expand(const std::uint8_t* block, const Header&, int, F* w) {
    const HalfPair scale_shift = broadcast_half_pair(block);
    expand_five_bits(block + 4, block + 8, scale_shift.a, scale_shift.b, w);
  }
};

struct Q80Format {
  static constexpr int kValues = 32, kBytes = 34;
  using Header = NoHeader;
  static inline void expand(const std::uint8_t* block, const Header&, int, F* w) {
    const F scale = broadcast_half(block);
    for (int j = 0; j < kVectors; ++j) w[j] = mul(scale, to_float(load_signed_bytes(block + 2 + j * kWidth)));
  }
};

// Scale and shift of each of the eight runs. Scales and minimums have 6 bits each, packed in 12 bytes: those of runs 0
// to 3 are the low 6 bits of bytes 0 to 3 and 4 to 7; of runs 4 to 7 the low 4 bits are the nibbles of bytes 8 to 11
// and the high 2 bits lie on top of the other runs'.
struct KHeader {
  float scale[16], shift[16];  // of run s: scale[s], shift[8 + s]
  inline void read(const std::uint8_t* block) {
    std::uint32_t packed[3];
    __builtin_memcpy(packed, block + 4, 12);
    const std::uint32_t factors[4] = {
        packed[0] & 0x3f3f3f3fU, (packed[2] & 0x0f0f0f0fU) | ((packed[0] >> 2) & 0x30303030U), packed[1] & 0x3f3f3f3fU,
        ((packed[2] >> 4) & 0x0f0f0f0fU) | ((packed[1] >> 2) & 0x30303030U)};
    const HalfPair both = broadcast_half_pair(block);
    const F minimum = sub(zero(), both.b);
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(factors);
    for (int i = 0; i < 16; i += kWidth) {
      const F factor = to_float(load_bytes(bytes + i));
      store(scale + i, mul(both.a, factor));
      store(shift + i, mul(minimum, factor));
    }
  }
};

struct Q4KFormat {
  static constexpr int kValues = 256, kBytes = 144;
  using Header = KHeader;
  static inline void expand(const std::uint8_t* block, const Header& header, int s, F* w) {
    const NibbleTable table(set1(header.scale[s]), set1(header.shift[8 + s]));
    const std::uint8_t* nibbles = block + 16 + 32 * (s / 2);
    for (int j = 0; j < kVectors; ++j) {
      const I bytes = load_bytes(nibbles + j * kWidth);
      w[j] = s % 2 == 0 ? table.low(bytes) : table.high(bytes);
    }
  }
};

struct Q5KFormat {
  static constexpr int kValues = 256, kBytes = 176;
  using Header = KHeader;
  static inline void expand(const std::uint8_t* block, const Header& header, int s, F* w) {
    const std::uint8_t* nibbles = block + 48 + 32 * (s / 2);
    for (int j = 0; j < kVectors; ++j) {
      const I bytes = load_bytes(nibbles + j * kWidth);
      const I fifth = shift_left_4(bit_and(shift_right(load_bytes(block + 16 + j * kWidth), s), 1));
      const I value = bit_or(s % 2 == 0 ? low_nibbles(bytes) : high_nibbles(bytes), fifth);
      w[j] = fma(set1(header.scale[s]), to_float(value), set1(header.shift[8 + s]));
    }
  }
};

struct Q6KHeader {
  float scale[16];  // of each 16 values
  inline void read(const std::uint8_t* block) {
    const F common = broadcast_half(block + 208);
    for (int i = 0; i < 16; i += kWidth) store(scale + i, mul(common, to_float(load_signed_bytes(block + 192 + i))));
  }
};

struct Q6KFormat {
  static constexpr int kValues = 256, kBytes = 210;
  using Header = Q6KHeader;
  static inline void expand(const std::uint8_t* block, const Header& header, int s, F* w) {
    const int half = s / 4, quarter = s % 4;
    const std::uint8_t* low_bits = block + 64 * half + 32 * (quarter % 2);
    const std::uint8_t* high_bits = block + 128 + 32 * half;
    for (int j = 0; j < kVectors; ++j) {
      const I bytes = load_bytes(low_bits + j * kWidth);
      const I top = shift_left_4(bit_and(shift_right(load_bytes(high_bits + j * kWidth), 2 * quarter), 3));
      const I value = bit_or(quarter < 2 ? low_nibbles(bytes) : high_nibbles(bytes), top);
      w[j] = mul(set1(header.scale[2 * s + j * kWidth / 16]), sub(to_float(value), set1(32)));
    }
  }
};

// Scale and shift of each 16 values: d times the low, -dmin times the high nibbles of the first 16 bytes.
struct Q2KHeader {
  float scale[16], shift[16];
  inline void read(const std::uint8_t* block) {
    const HalfPair both = broadcast_half_pair(block + 80);
    const F minimum = sub(zero(), both.b);
    for (int i = 0; i < 16; i += kWidth) {
      const I bytes = load_bytes(block + i);
      store(scale + i, mul(both.a, to_float(low_nibbles(bytes))));
      store(shift + i, mul(minimum, to_float(high_nibbles(bytes))));
    }
  }
};

struct Q2KFormat {
  static constexpr int kValues = 256, kBytes = 84;
  using Header = Q2KHeader;
  static inline void expand(const std::uint8_t* block, const Header& header, int s, F* w) {
    const std::uint8_t* quants = block + 16 + 32 * (s / 4);
    for (int j = 0; j < kVectors; ++j) {
      const I value = bit_and(shift_right(load_bytes(quants + j * kWidth), 2 * (s % 4)), 3);
      const int sub_block = 2 * s + j * kWidth / 16;
      w[j] = fma(set1(header.scale[sub_block]), to_float(value), set1(header.shift[sub_block]));
    }
  }
};

struct Q3KHeader {
  float scale[16];  // of each 16 values
  inline void read(const std::uint8_t* block) {
    std::uint32_t packed[3];
    __builtin_memcpy(packed, block + 96, 12);
    std::uint32_t factors[4];
    for (int i = 0; i < 4; ++i) {
      const std::uint32_t high_bits = (packed[2] >> (2 * i)) & 0x03030303U;
      factors[i] = ((packed[i % 2] >> (i / 2 * 4)) & 0x0f0f0f0fU) | (high_bits << 4);
    }
    const F common = broadcast_half(block + 108);
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(factors);
    for (int i = 0; i < 16; i += kWidth) {
      store(scale + i, mul(common, sub(to_float(load_bytes(bytes + i)), set1(32))));
    }
  }
};

struct Q3KFormat {
  static constexpr int kValues = 256, kBytes = 110;
  using Header = Q3KHeader;
  static inline void expand(const std::uint8_t* block, const Header& header, int s, F* w) {
    const std::uint8_t* low_bits = block + 32 + 32 * (s / 4);
    for (int j = 0; j < kVectors; ++j) {
      const I two = bit_and(shift_right(load_bytes(low_bits + j * kWidth), 2 * (s % 4)), 3);
      const I third = bit_and(shift_right(shift_left_4(load_bytes(block + j * kWidth)), s + 2), 4);
      w[j] = mul(set1(header.scale[2 * s + j * kWidth / 16]), sub(to_float(bit_or(two, third)), set1(4)));
    }
  }
};

alignas(64) constexpr float kIq4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
alignas(64) constexpr float kFp4Values[16] = {0, 1,  2,  3,  4,  6,  8,  12,  // e2m1, doubled
                                              0, -1, -2, -3, -4, -6, -8, -12};

inline void expand_values(const std::uint8_t* nibbles, const float* values, F scale, F* w) {
  const ValueTable table(values);
  for (int j = 0; j < kHalfVectors; ++j) {
    const I bytes = load_bytes(nibbles + j * kWidth);
    w[j] = mul(scale, table.low(bytes));
    w[j + kHalfVectors] = mul(scale, table.high(bytes));
  }
}

struct Iq4NlFormat {
  static constexpr int kValues = 32, kBytes = 18;
  using Header = NoHeader;
  static inline void expand(const std::uint8_t* block, const Header&, int, F* w) {
    expand_values(block + 2, kIq4Values, broadcast_half(block), w);
  }
};

struct Mxfp4Format {
  static constexpr int kValues = 32, kBytes = 17;
  using Header = NoHeader;
  // The scale is 2^(byte - 128), half of what the format says because the table is doubled.
  static inline void expand(const std::uint8_t* block, const Header&, int, F* w) {
    const std::uint32_t exponent = block[0];
    const std::uint32_t bits = exponent < 2 ? 0x00200000U << exponent : (exponent - 1) << 23;
    float scale;
    __builtin_memcpy(&scale, &bits, 4);
    expand_values(block + 1, kFp4Values, set1(scale), w);
  }
};

}  // namespace
