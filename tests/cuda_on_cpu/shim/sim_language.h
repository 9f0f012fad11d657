// CUDA's language additions in terms of plain C++: qualifiers, built-in vector types, built-in variables.
#pragma once

#define CUDASIM 1

#include <cstddef>

#define __global__
#define __device__
#define __host__
#define __constant__
#define __grid_constant__
// Statics in a section of their own, which the scheduler fills with 0xff before each block: AddressSanitizer puts guard
// zones around statics, and stale values must not look right. One block runs at a time, on one operating-system thread.
#define __shared__ static __attribute__((section("cudasim_shared"), used))
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))

#define CUDASIM_VECTOR(T, NAME, ALIGN2, ALIGN4)       \
  struct NAME##1 {                                    \
    T x;                                              \
  };                                                  \
  struct alignas(ALIGN2) NAME##2 {                    \
    T x, y;                                           \
  };                                                  \
  struct NAME##3 {                                    \
    T x, y, z;                                        \
  };                                                  \
  struct alignas(ALIGN4) NAME##4 {                    \
    T x, y, z, w;                                     \
  };                                                  \
  inline NAME##2 make_##NAME##2(T x, T y) {           \
    return {x, y};                                    \
  }                                                   \
  inline NAME##3 make_##NAME##3(T x, T y, T z) {      \
    return {x, y, z};                                 \
  }                                                   \
  inline NAME##4 make_##NAME##4(T x, T y, T z, T w) { \
    return {x, y, z, w};                              \
  }
CUDASIM_VECTOR(signed char, char, 2, 4)
CUDASIM_VECTOR(unsigned char, uchar, 2, 4)
CUDASIM_VECTOR(short, short, 4, 8)
CUDASIM_VECTOR(unsigned short, ushort, 4, 8)
CUDASIM_VECTOR(int, int, 8, 16)
CUDASIM_VECTOR(unsigned int, uint, 8, 16)
CUDASIM_VECTOR(long long, longlong, 16, 16)
CUDASIM_VECTOR(unsigned long long, ulonglong, 16, 16)
CUDASIM_VECTOR(float, float, 8, 16)
CUDASIM_VECTOR(double, double, 16, 16)
#undef CUDASIM_VECTOR

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

extern uint3 threadIdx, blockIdx;  // set by the scheduler at every switch
extern dim3 blockDim, gridDim;
inline constexpr int warpSize = 32;
