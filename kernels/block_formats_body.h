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

// Sixteen values scale * q + shift.
inline void expand_bytes(Bytes q, F scale, F shift, F* w) {
  to_floats(q, w);
  for (int j = 0; j < kHalfVectors; ++j) w[j] = fma(scale, w[j], shift);
}

inline void expand_five_bits(const std::uint8_t* fifth, const std::uint8_t* nibbles, F scale, F shift, F* w) {
  const Bytes bytes = load_16_bytes(nibbles);
  expand_bytes(bit_or(shift_right_and(bytes, 0, 15), bits_to_16(fifth)), scale, shift, w);
  expand_bytes(bit_or(shift_right_and(bytes, 4, 15), bits_to_16(fifth + 2)), scale, shift, w + kHalfVectors);
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
    const F scale = set1(header.scale[s]), shift = set1(header.shift[8 + s]);
    for (int half = 0; half < 2; ++half) {
      const Bytes low = shift_right_and(load_16_bytes(block + 48 + 32 * (s / 2) + 16 * half), s % 2 * 4, 15);
      const Bytes fifth = shift_right_and(load_16_bytes(block + 16 + 16 * half), s - 4, 16);
      expand_bytes(bit_or(low, fifth), scale, shift, w + half * kHalfVectors);
    }
  }
};

// Scale of each 16 values, and the shift that moves them by `zero`: both products are exact, so that
// scale * q + shift rounds as scale * (q - zero) does.
struct ScaleHeader {
  float scale[16], shift[16];
  inline void set(int i, F factor, float zero) {
    store(scale + i, factor);
    store(shift + i, mul(factor, set1(-zero)));
  }
};

struct Q6KHeader : ScaleHeader {
  inline void read(const std::uint8_t* block) {
    const F common = broadcast_half(block + 208);
    for (int i = 0; i < 16; i += kWidth) set(i, mul(common, to_float(load_signed_bytes(block + 192 + i))), 32);
  }
};

struct Q6KFormat {
  static constexpr int kValues = 256, kBytes = 210;
  using Header = Q6KHeader;
  static inline void expand(const std::uint8_t* block, const Header& header, int s, F* w) {
    const int part = s / 4, quarter = s % 4;
    for (int half = 0; half < 2; ++half) {
      const Bytes low = load_16_bytes(block + 64 * part + 32 * (quarter % 2) + 16 * half);
      const Bytes high = load_16_bytes(block + 128 + 32 * part + 16 * half);
      const Bytes q = bit_or(shift_right_and(low, quarter / 2 * 4, 15), shift_right_and(high, 2 * quarter - 4, 48));
      expand_bytes(q, set1(header.scale[2 * s + half]), set1(header.shift[2 * s + half]), w + half * kHalfVectors);
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
    for (int half = 0; half < 2; ++half) {
      const Bytes q = shift_right_and(load_16_bytes(block + 16 + 32 * (s / 4) + 16 * half), 2 * (s % 4), 3);
      expand_bytes(q, set1(header.scale[2 * s + half]), set1(header.shift[2 * s + half]), w + half * kHalfVectors);
    }
  }
};

struct Q3KHeader : ScaleHeader {
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
    for (int i = 0; i < 16; i += kWidth) set(i, mul(common, sub(to_float(load_bytes(bytes + i)), set1(32))), 4);
  }
};

struct Q3KFormat {
  static constexpr int kValues = 256, kBytes = 110;
  using Header = Q3KHeader;
  static inline void expand(const std::uint8_t* block, const Header& header, int s, F* w) {
    for (int half = 0; half < 2; ++half) {
      const Bytes two = shift_right_and(load_16_bytes(block + 32 + 32 * (s / 4) + 16 * half), 2 * (s % 4), 3);
      const Bytes third = shift_right_and(load_16_bytes(block + 16 * half), s - 2, 4);
      expand_bytes(bit_or(two, third), set1(header.scale[2 * s + half]), set1(header.shift[2 * s + half]),
                   w + half * kHalfVectors);
    }
  }
};

alignas(16) constexpr std::int8_t kIq4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                                    1,    13,   25,  38,  53,  69,  89,  113};
alignas(16) constexpr std::int8_t kFp4Values[16] = {0, 1,  2,  3,  4,  6,  8,  12,  // e2m1, doubled
                                                    0, -1, -2, -3, -4, -6, -8, -12};

inline void expand_values(const std::uint8_t* nibbles, const std::int8_t* values, F scale, F* w) {
  const Bytes bytes = load_16_bytes(nibbles);
  signed_to_floats(look_up(values, shift_right_and(bytes, 0, 15)), w);
  signed_to_floats(look_up(values, shift_right_and(bytes, 4, 15)), w + kHalfVectors);
  for (int j = 0; j < kVectors; ++j) w[j] = mul(scale, w[j]);
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
