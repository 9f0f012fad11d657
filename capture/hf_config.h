// A model's numbers from the config.json of transformers.
#pragma once

#include <string>

#include "capture/architecture.h"
#include "capture/json_reader.h"
#include "capture/model.h"
#include "capture/tensor_directory.h"

namespace kvwave::capture {

/// The architecture by `model_type`. Throws BadModelFile and UnsupportedModel.
const Architecture& read_hf_architecture(const JsonObject& config);

/// Everything but the name. Both spellings of rotary settings are read: `rope_theta` with `rope_scaling`, and
/// `rope_parameters`. The context is max_position_embeddings, with YaRN at least original length times factor. Throws
/// BadModelFile, BadTensor, and UnsupportedModel for what would compute something else (activation, window, partial
/// rotation, quantisation).
ModelConfig read_hf_config(const JsonObject& config, const Architecture& architecture, const TensorDirectory& tensors);

}  // namespace kvwave::capture
