// Runs a check on every instruction-set path that this CPU has.
#pragma once

#include <initializer_list>

#include <gtest/gtest.h>

#include "kernels/cpu_features.h"

namespace kvwave::kernels::testing {

template <class Check>
void for_each_simd_path(const Check& check) {
  const SimdPath before = simd_path();
  for (const SimdPath path : {SimdPath::baseline, SimdPath::avx2, SimdPath::avx512}) {
    if (path > best_simd_path()) continue;
    set_simd_path(path);
    SCOPED_TRACE(to_string(path));
    check();
  }
  set_simd_path(before);
}

}  // namespace kvwave::kernels::testing
