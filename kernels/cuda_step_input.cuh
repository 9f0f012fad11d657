// What changes from step to step, in device memory: kernels read it there, so that one captured graph serves all steps.
#pragma once

#include <cstdint>
#include <cuda_runtime.h>

namespace kvwave::kernels {

constexpr unsigned kMaxBlockPositions = 256;  ///< prompt positions fed together
constexpr unsigned kMaxHeadDim = 256;

struct StepInput {
  unsigned first = 0;  ///< position of the block's first token
  unsigned slot = 0;   ///< of the record
  std::int32_t token[kMaxBlockPositions] = {};
};

}  // namespace kvwave::kernels
