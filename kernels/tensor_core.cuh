// Products of small matrices on tensor cores at nearly the accuracy of fp32: each fp32 operand is split into two terms
// of TF32 (11 significant bits each, fp32's range), and the products of terms that matter are added up in fp32:
//   a b = big(a) big(b) + big(a) small(b) + small(a) big(b), |error| <= 3 * 2^-22 |a b|.
// An operand that TF32 holds exactly (f16, bf16) has no small term, which saves its product.
//
// mma.sync.m16n8k8, sm_80 and later, the only path: every architecture this program is built for has it. Who holds what
// (PTX ISA, "Matrix fragments for mma.m16n8k8"), with group = lane / 4 and member = lane % 4:
//   A [16 x 8]: rows group, group + 8, group, group + 8; columns member, member, member + 4, member + 4
//   B [8 x 8]:  rows member, member + 4; column group
//   C [16 x 8]: rows group, group, group + 8, group + 8; columns 2 member, 2 member + 1, 2 member, 2 member + 1
#pragma once

#include <cuda_runtime.h>

#include "kernels/cuda_launch.cuh"
#ifdef CUDASIM
#include "sim_mma.h"
#endif

namespace kvwave::kernels {
namespace {

constexpr unsigned kMmaRows = 16, kMmaColumns = 8, kMmaDepth = 8;
/// Tensor cores truncate their sums, always toward zero: after so many columns a sum goes to one that is rounded.
constexpr unsigned kPromotedDepth = 32;

__device__ __forceinline__ unsigned mma_group() {
  return threadIdx.x % kWarp / 4;
}
__device__ __forceinline__ unsigned mma_member() {
  return threadIdx.x % 4;
}

/// Nearest TF32, ties away from zero: bits of an fp32 whose low 13 bits are not looked at.
__device__ __forceinline__ unsigned tf32_bits(float value) {
#ifdef CUDASIM
  return cudasim::to_tf32(value);
#else
  unsigned bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(value));
  return bits;
#endif
}

/// c += a b for one fragment of each; all lanes of a warp call it.
__device__ __forceinline__ void mma(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
#ifdef CUDASIM
  cudasim::mma_m16n8k8_tf32(c, a, b);
#else
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}

/// This lane's part of an operand. kExact: every value is a TF32.
template <unsigned kValues, bool kExact>
struct Fragment {
  unsigned big[kValues];
  unsigned small[kExact ? 1 : kValues];

  __device__ __forceinline__ void set(unsigned i, float value) {
    if constexpr (kExact) {
      big[i] = __float_as_uint(value);
    } else {
      big[i] = tf32_bits(value);
      small[i] = tf32_bits(value - __uint_as_float(big[i] & 0xffffe000U));
    }
  }
};
template <bool kExact>
using FragmentA = Fragment<4, kExact>;
template <bool kExact>
using FragmentB = Fragment<2, kExact>;

__device__ __forceinline__ void add_rounded(float (&total)[4], const float (&sum)[4]) {
#pragma unroll
  for (unsigned i = 0; i < 4; ++i) total[i] += sum[i];
}

/// c += a b, the small terms first.
template <bool kExactA, bool kExactB>
__device__ __forceinline__ void multiply(float (&c)[4], const FragmentA<kExactA>& a, const FragmentB<kExactB>& b) {
  if constexpr (!kExactA) mma(c, a.small, b.big);
  if constexpr (!kExactB) mma(c, a.big, b.small);
  mma(c, a.big, b.big);
}

}  // namespace
}  // namespace kvwave::kernels
