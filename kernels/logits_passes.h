// One version of each logits pass per instruction set; all give the same bits.
#pragma once

#include <cstddef>

namespace kvwave::kernels {

struct LogitsPasses {
  float (*largest)(const float* values, std::size_t n);
  double (*exp_below)(const float* logits, std::size_t n, float top, float scale, float* out);  ///< out may be null
};

extern const LogitsPasses kLogitsPassesBaseline, kLogitsPassesAvx2, kLogitsPassesAvx512;

}  // namespace kvwave::kernels
