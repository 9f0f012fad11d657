// Runs a check on every instruction-set path that this CPU has.
#pragma once

#include <vector>

#include <gtest/gtest.h>

#include "kernels/cpu_features.h"

namespace kvwave::kernels::testing {

inline std::vector<SimdPath> supported_paths() {
  std::vector<SimdPath> paths;
  for (const SimdPath path : {SimdPath::baseline, SimdPath::avx2, SimdPath::avx512}) {
    if (path <= best_simd_path()) paths.push_back(path);
  }
  return paths;
}

/// Uses a path until the end of the scope.
class ScopedSimdPath {
 public:
  explicit ScopedSimdPath(SimdPath path) : before_(simd_path()) { set_simd_path(path); }
  ~ScopedSimdPath() { set_simd_path(before_); }
  ScopedSimdPath(const ScopedSimdPath&) = delete;
  ScopedSimdPath& operator=(const ScopedSimdPath&) = delete;

 private:
  SimdPath before_;
};

template <class Check>
void for_each_simd_path(const Check& check) {
  for (const SimdPath path : supported_paths()) {
    const ScopedSimdPath scoped(path);
    SCOPED_TRACE(to_string(path));
    check();
  }
}

}  // namespace kvwave::kernels::testing
