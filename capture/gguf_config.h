// A model's numbers from the keys of a GGUF file.
#pragma once

#include "capture/architecture.h"
#include "capture/gguf.h"
#include "capture/model.h"
#include "capture/tensor_directory.h"

namespace kvwave::capture {

/// `tensors` are those of all files of the model. Throws BadModelFile, BadTensor, UnsupportedModel.
ModelConfig read_gguf_config(const GgufFile& file, const Architecture& architecture, const TensorDirectory& tensors);

}  // namespace kvwave::capture
