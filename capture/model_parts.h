// From a configuration and a directory of tensors to the parameters that the decoder uses; Model owns them.
#pragma once

#include <deque>
#include <span>
#include <vector>

#include "capture/architecture.h"
#include "capture/model.h"
#include "capture/tensor_directory.h"
#include "capture/tensor_names.h"
#include "kernels/params.h"

namespace kvwave::capture {

struct ModelParts {
  std::vector<LayerParams> layers;
  kernels::ParamMatrix token_embedding, output;
  std::span<const float> output_norm;
  std::deque<std::vector<float>> vectors;  ///< norms and biases in fp32; the spans above and in layers point here
};

/// Rows of the embedding, at most 2^24. Throws MissingTensor or BadTensor.
std::uint32_t embedding_rows(const TensorDirectory& tensors, const TensorNames& names);

/// Takes every tensor that the architecture has, all sizes as `config` says. Throws MissingTensor and BadTensor, and
/// UnsupportedModel for a tensor that would be left out: it changes what the model computes.
ModelParts assemble_parts(const ModelConfig& config, const Architecture& architecture, const TensorDirectory& tensors,
                          const TensorNames& names);

}  // namespace kvwave::capture
