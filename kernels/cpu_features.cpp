#include "kernels/cpu_features.h"

#include <atomic>
#include <cpuid.h>
#include <cstdlib>
#include <string>

#include <fmt/format.h>

#include "kernels/error.h"

namespace kvwave::kernels {
namespace {

constexpr SimdPath kAllPaths[] = {SimdPath::baseline, SimdPath::avx2, SimdPath::avx512};

// The compiler's built-in test for AVX2 also asks whether the system saves the wide registers; F16C is read from CPUID
// because older compilers do not know its name.
bool has_f16c() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
}

SimdPath detect() {
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !has_f16c()) return SimdPath::baseline;
  const bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                    __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
  return wide ? SimdPath::avx512 : SimdPath::avx2;
}

void require_supported(SimdPath path, std::string_view asked_by) {
  if (path > best_simd_path()) {
    throw Error(fmt::format("{} asks for {}, but this CPU supports at most {}", asked_by, to_string(path),
                            to_string(best_simd_path())));
  }
}

SimdPath initial_path() {
  const char* text = std::getenv("KVWAVE_SIMD");
  if (text == nullptr || *text == '\0') return best_simd_path();
  for (const SimdPath path : kAllPaths) {
    if (to_string(path) == text) {
      require_supported(path, "KVWAVE_SIMD");
      return path;
    }
  }
  throw Error(fmt::format("KVWAVE_SIMD: expected baseline, avx2 or avx512, got '{}'", text));
}

std::atomic<SimdPath>& current_path() {
  static std::atomic<SimdPath> path{initial_path()};
  return path;
}

}  // namespace

std::string_view to_string(SimdPath path) {
  switch (path) {
    case SimdPath::baseline:
      return "baseline";
    case SimdPath::avx2:
      return "avx2";
    case SimdPath::avx512:
      return "avx512";
  }
  return "unknown";
}

SimdPath best_simd_path() {
  static const SimdPath best = detect();
  return best;
}

SimdPath simd_path() {
  return current_path().load(std::memory_order_relaxed);
}

void set_simd_path(SimdPath path) {
  require_supported(path, "set_simd_path");
  current_path().store(path, std::memory_order_relaxed);
}

}  // namespace kvwave::kernels
