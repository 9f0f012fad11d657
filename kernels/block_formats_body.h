// How each ParamType expands 32 values into registers. Included after one vector_*.h; see params.h for the layouts.
#pragma once

#include <cstddef>
#include <cstdint>

namespace {  // NOLINT(google-build-namespaces): one copy per instruction set

constexpr int kChunk = 32;                  // values that expand() gives at once
constexpr int kVectors = kChunk / kWidth;   // registers they fill
constexpr int kHalfVectors = kVectors / 2;  // registers of 16 values

// Each format: kValues and kBytes of a block, and expand(block, s, w) for the s-th run of 32 values of a block.

struct F32Format {
  static constexpr int kValues = kChunk, kBytes = 4 * kChunk;
  static inline void expand(const std::uint8_t* block, int, F* w) {
    for (int j = 0; j < kVectors; ++j) w[j] = load(reinterpret_cast<const float*>(block) + j * kWidth);
  }
};

struct F16Format {
  static constexpr int kValues = kChunk, kBytes = 2 * kChunk;
  static inline void expand(const std::uint8_t* block, int, F* w) {
    for (int j = 0; j < kVectors; ++j) w[j] = load_f16(reinterpret_cast<const std::uint16_t*>(block) + j * kWidth);
  }
};

struct Bf16Format {
  static constexpr int kValues = kChunk, kBytes = 2 * kChunk;
  static inline void expand(const std::uint8_t* block, int, F* w) {
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
  static inline void expand(const std::uint8_t* block, int, F* w) {
    const F scale = broadcast_half(block);
    expand_nibbles(block + 2, NibbleTable(scale, mul(scale, set1(-8))), w);
  }
};

struct Q41Format {
  static constexpr int kValues = 32, kBytes = 20;
  static inline void expand(const std::uint8_t* block, int, F* w) {
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
  static inline void expand(const std::uint8_t* block, int, F* w) {
    const F scale = broadcast_half(block);
    expand_five_bits(block + 2, block + 6, scale, mul(scale, set1(-16)), w);
  }
};

struct Q51Format {
  static constexpr int kValues = 32, kBytes = 24;
  static inline void expand(const std::uint8_t* block, int, F* w) {
    const HalfPair scale_shift = broadcast_half_pair(block);
    expand_five_bits(block + 4, block + 8, scale_shift.a, scale_shift.b, w);
  }
};

struct Q80Format {
  static constexpr int kValues = 32, kBytes = 34;
  static inline void expand(const std::uint8_t* block, int, F* w) {
    const F scale = broadcast_half(block);
    for (int j = 0; j < kVectors; ++j) w[j] = mul(scale, to_float(load_signed_bytes(block + 2 + j * kWidth)));
  }
};

// Scale and minimum of the s-th run, 6 bits each, packed in 12 bytes.
inline void unpack_k_scale(const std::uint8_t* packed, int s, float* scale, float* minimum) {
  if (s < 4) {
    *scale = static_cast<float>(packed[s] & 63);
    *minimum = static_cast<float>(packed[s + 4] & 63);
  } else {
    *scale = static_cast<float>((packed[s + 4] & 15) | ((packed[s - 4] >> 6) << 4));
    *minimum = static_cast<float>((packed[s + 4] >> 4) | ((packed[s] >> 6) << 4));
  }
}

struct KScales {
  F scale, shift;
  inline KScales(const std::uint8_t* block, int s) {
    const HalfPair both = broadcast_half_pair(block);
    float scale_factor, min_factor;
    unpack_k_scale(block + 4, s, &scale_factor, &min_factor);
    scale = mul(both.a, set1(scale_factor));
    shift = mul(both.b, set1(-min_factor));
  }
};

struct Q4KFormat {
  static constexpr int kValues = 256, kBytes = 144;
  static inline void expand(const std::uint8_t* block, int s, F* w) {
    const KScales scales(block, s);
    const NibbleTable table(scales.scale, scales.shift);
    const std::uint8_t* nibbles = block + 16 + 32 * (s / 2);
    for (int j = 0; j < kVectors; ++j) {
      const I bytes = load_bytes(nibbles + j * kWidth);
      w[j] = s % 2 == 0 ? table.low(bytes) : table.high(bytes);
    }
  }
};

struct Q5KFormat {
  static constexpr int kValues = 256, kBytes = 176;
  static inline void expand(const std::uint8_t* block, int s, F* w) {
    const KScales scales(block, s);
    const std::uint8_t* nibbles = block + 48 + 32 * (s / 2);
    for (int j = 0; j < kVectors; ++j) {
      const I bytes = load_bytes(nibbles + j * kWidth);
      const I fifth = shift_left_4(bit_and(shift_right(load_bytes(block + 16 + j * kWidth), s), 1));
      const I value = bit_or(s % 2 == 0 ? low_nibbles(bytes) : high_nibbles(bytes), fifth);
      w[j] = fma(scales.scale, to_float(value), scales.shift);
    }
  }
};

struct Q6KFormat {
  static constexpr int kValues = 256, kBytes = 210;
  static inline void expand(const std::uint8_t* block, int s, F* w) {
    const int half = s / 4, quarter = s % 4;
    const std::uint8_t* low_bits = block + 64 * half + 32 * (quarter % 2);
    const std::uint8_t* high_bits = block + 128 + 32 * half;
    const auto* factors = reinterpret_cast<const std::int8_t*>(block + 192) + 2 * s;
    const F scale = broadcast_half(block + 208);
    for (int j = 0; j < kVectors; ++j) {
      const I bytes = load_bytes(low_bits + j * kWidth);
      const I top = shift_left_4(bit_and(shift_right(load_bytes(high_bits + j * kWidth), 2 * quarter), 3));
      const I value = bit_or(quarter < 2 ? low_nibbles(bytes) : high_nibbles(bytes), top);
      const F factor = mul(scale, set1(static_cast<float>(factors[j * kWidth / 16])));
      w[j] = mul(factor, sub(to_float(value), set1(32)));
    }
  }
};

}  // namespace
