#include "kernels/logits.h"

#include <cassert>

#include "kernels/cpu_features.h"
#include "kernels/logits_passes.h"

namespace kvwave::kernels {
namespace {

const LogitsPasses& logits_passes() {
  switch (simd_path()) {
    case SimdPath::avx512:
      return kLogitsPassesAvx512;
    case SimdPath::avx2:
      return kLogitsPassesAvx2;
    case SimdPath::baseline:
      break;
  }
  return kLogitsPassesBaseline;
}

}  // namespace

float largest(std::span<const float> values) {
  assert(!values.empty());
  return logits_passes().largest(values.data(), values.size());
}

double exp_below(std::span<const float> logits, float top, float scale, std::span<float> out) {
  assert(out.empty() || out.size() == logits.size());
  return logits_passes().exp_below(logits.data(), logits.size(), top, scale, out.empty() ? nullptr : out.data());
}

}  // namespace kvwave::kernels
