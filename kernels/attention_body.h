// Attention of a few query heads over pages of keys and values, softmax and swiglu, in terms of one vector_*.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/simd_kernels.h"

namespace {  // NOLINT(google-build-namespaces): one copy per instruction set

using kvwave::kernels::kKvPage;

constexpr int kMaxHeads = 4;                     // heads that share one load of a key or value
constexpr int kSide = kRegisters >= 32 ? 4 : 2;  // registers of one load: kMaxHeads * kSide sums stay in registers

struct F16Values {
  static constexpr std::size_t kBytes = 2;
  static inline F load(const std::uint8_t* p) { return load_f16(reinterpret_cast<const std::uint16_t*>(p)); }
};
struct F32Values {
  static constexpr std::size_t kBytes = 4;
  static inline F load(const std::uint8_t* p) { return ::load(reinterpret_cast<const float*>(p)); }
};

template <class Values, int kHeads>
inline void score_heads(const std::uint8_t* keys, const float* q, std::size_t d, std::size_t n, float scale,
                        float* scores, std::size_t stride) {
  constexpr std::size_t kRun = static_cast<std::size_t>(kSide) * kWidth;
  for (std::size_t first = 0; first < n; first += kRun) {
    F sums[kHeads][kSide];
    for (int h = 0; h < kHeads; ++h) {
      for (int v = 0; v < kSide; ++v) sums[h][v] = zero();
    }
    for (std::size_t j = 0; j < d; ++j) {
      F key[kSide];
#pragma GCC unroll 4
      for (int v = 0; v < kSide; ++v) key[v] = Values::load(keys + (j * kKvPage + first + v * kWidth) * Values::kBytes);
#pragma GCC unroll 4
      for (int h = 0; h < kHeads; ++h) {
        const F query = set1(q[h * d + j]);
#pragma GCC unroll 4
        for (int v = 0; v < kSide; ++v) sums[h][v] = fma(key[v], query, sums[h][v]);
      }
    }
    for (int h = 0; h < kHeads; ++h) {
      for (int v = 0; v < kSide; ++v) store(scores + h * stride + first + v * kWidth, mul(sums[h][v], set1(scale)));
    }
  }
}

template <class Values>
void score(const std::uint8_t* keys, const float* q, std::size_t n_heads, std::size_t d, std::size_t n, float scale,
           float* scores, std::size_t stride) {
  while (n_heads >= 4) {
    score_heads<Values, 4>(keys, q, d, n, scale, scores, stride);
    n_heads -= 4;
    q += 4 * d;
    scores += 4 * stride;
  }
  if (n_heads == 3) score_heads<Values, 3>(keys, q, d, n, scale, scores, stride);
  if (n_heads == 2) score_heads<Values, 2>(keys, q, d, n, scale, scores, stride);
  if (n_heads == 1) score_heads<Values, 1>(keys, q, d, n, scale, scores, stride);
}

// Adds the first `count` lanes of a to p.
inline void add_lanes(float* p, F a, std::size_t count) {
  if (count >= kWidth) {
    store(p, add(load(p), a));
    return;
  }
  float lanes[kWidth];
  store(lanes, a);
  for (std::size_t i = 0; i < count; ++i) p[i] += lanes[i];
}

template <class Values, int kHeads>
inline void accumulate_heads(const std::uint8_t* values, std::size_t pitch, const float* probs, std::size_t stride,
                             std::size_t d, std::size_t n, float* out) {
  constexpr std::size_t kRun = static_cast<std::size_t>(kSide) * kWidth;
  for (std::size_t first = 0; first < d; first += kRun) {
    // The last run of a value whose length is no multiple of kRun overlaps the next value or ends at the page's end:
    // only whole registers inside the pitch are read.
    const int n_vectors = static_cast<int>((pitch - first) / kWidth < kSide ? (pitch - first) / kWidth : kSide);
    F sums[kHeads][kSide];
    for (int h = 0; h < kHeads; ++h) {
      for (int v = 0; v < kSide; ++v) sums[h][v] = zero();
    }
    if (n_vectors == kSide) {
      for (std::size_t i = 0; i < n; ++i) {
        F value[kSide];
#pragma GCC unroll 4
        for (int v = 0; v < kSide; ++v)
          value[v] = Values::load(values + (i * pitch + first + v * kWidth) * Values::kBytes);
#pragma GCC unroll 4
        for (int h = 0; h < kHeads; ++h) {
          const F prob = set1(probs[h * stride + i]);
#pragma GCC unroll 4
          for (int v = 0; v < kSide; ++v) sums[h][v] = fma(value[v], prob, sums[h][v]);
        }
      }
    } else {
      for (int v = 0; v < n_vectors; ++v) {
        for (std::size_t i = 0; i < n; ++i) {
          const F value = Values::load(values + (i * pitch + first + v * kWidth) * Values::kBytes);
          for (int h = 0; h < kHeads; ++h) sums[h][v] = fma(value, set1(probs[h * stride + i]), sums[h][v]);
        }
      }
    }
    for (int h = 0; h < kHeads; ++h) {
      for (int v = 0; v < n_vectors; ++v) {
        const std::size_t at = first + static_cast<std::size_t>(v) * kWidth;
        if (at < d) add_lanes(out + h * d + at, sums[h][v], d - at);
      }
    }
  }
}

template <class Values>
void accumulate(const std::uint8_t* values, std::size_t pitch, const float* probs, std::size_t stride,
                std::size_t n_heads, std::size_t d, std::size_t n, float* out) {
  while (n_heads >= 4) {
    accumulate_heads<Values, 4>(values, pitch, probs, stride, d, n, out);
    n_heads -= 4;
    probs += 4 * stride;
    out += 4 * d;
  }
  if (n_heads == 3) accumulate_heads<Values, 3>(values, pitch, probs, stride, d, n, out);
  if (n_heads == 2) accumulate_heads<Values, 2>(values, pitch, probs, stride, d, n, out);
  if (n_heads == 1) accumulate_heads<Values, 1>(values, pitch, probs, stride, d, n, out);
}

// e^x within 2 units in the last place; 0 below -87.3, about 2.4e38 above 88.3. NaN stays NaN.
inline F exponential(F x) {
  const F lowest = set1(-87.3F);
  const F bounded = min(set1(88.3F), max(lowest, x));
  // x = n ln 2 + r with |r| <= ln(2) / 2; ln 2 in two parts, the first exact in few bits, so that r is exact.
  const F n = round_to_integer(mul(bounded, set1(1.44269504F)));
  F r = fma(n, set1(-0.693359375F), bounded);
  r = fma(n, set1(2.12194440e-4F), r);
  // Taylor-like polynomial for (e^r - 1 - r) / r^2, coefficients of Cephes' expf.
  F p = set1(1.9875691500e-4F);
  p = fma(p, r, set1(1.3981999507e-3F));
  p = fma(p, r, set1(8.3334519073e-3F));
  p = fma(p, r, set1(4.1665795894e-2F));
  p = fma(p, r, set1(1.6666665459e-1F));
  p = fma(p, r, set1(5.0000001201e-1F));
  const F power = add(fma(p, mul(r, r), r), set1(1.0F));
  return keep_unless_below(times_power_of_2(power, n), x, -87.3F);
}

void softmax(float* row, std::size_t n) {
  const std::size_t padded = (n + kKvPage - 1) / kKvPage * kKvPage;
  for (std::size_t i = n; i < padded; ++i) row[i] = -__builtin_inff();
  F largest = set1(-__builtin_inff());
  for (std::size_t i = 0; i < padded; i += kWidth) largest = max(largest, load(row + i));
  const F offset = set1(reduce_max(largest));
  double total = 0;
  for (std::size_t i = 0; i < padded; i += kKvPage) {
    F sum = zero();
    for (std::size_t j = 0; j < kKvPage; j += kWidth) {
      const F e = exponential(sub(load(row + i + j), offset));
      store(row + i + j, e);
      sum = add(sum, e);
    }
    total += static_cast<double>(reduce_add(sum));
  }
  const F inverse = set1(static_cast<float>(1.0 / total));
  for (std::size_t i = 0; i < padded; i += kWidth) store(row + i, mul(load(row + i), inverse));
}

// Below -88.3, where exponential() stops growing, the product is smaller than any normal number: 0.
inline F swiglu_lanes(F gate, F up) {
  const F silu = div(gate, add(set1(1.0F), exponential(sub(zero(), gate))));
  return mul(keep_unless_below(silu, gate, -88.3F), up);
}

void swiglu(float* gate, const float* up, std::size_t n) {
  std::size_t i = 0;
  for (; i + kWidth <= n; i += kWidth) store(gate + i, swiglu_lanes(load(gate + i), load(up + i)));
  if (i == n) return;
  float last_gate[kWidth] = {}, last_up[kWidth] = {};
  __builtin_memcpy(last_gate, gate + i, (n - i) * sizeof(float));
  __builtin_memcpy(last_up, up + i, (n - i) * sizeof(float));
  store(last_gate, swiglu_lanes(load(last_gate), load(last_up)));
  __builtin_memcpy(gate + i, last_gate, (n - i) * sizeof(float));
}

}  // namespace
