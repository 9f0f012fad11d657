// What an architecture reader makes of a file; Model owns it. A new architecture adds one reader and one line in
// model.cpp.
#pragma once

#include <deque>
#include <span>
#include <vector>

#include "capture/model.h"
#include "kernels/params.h"

namespace kvwave::capture {

struct ModelParts {
  ModelConfig config;
  std::vector<LayerParams> layers;
  kernels::ParamMatrix token_embedding, output;
  std::span<const float> output_norm;
  std::deque<std::vector<float>> vectors;  ///< norms and biases in fp32; the spans above and in layers point here
};

}  // namespace kvwave::capture
