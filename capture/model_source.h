// What a reader of model files hands over, whatever their kind.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "capture/architecture.h"
#include "capture/mapped_file.h"
#include "capture/model.h"
#include "capture/tensor_directory.h"
#include "capture/tensor_names.h"

namespace kvwave::capture {

struct ModelSource {
  std::string_view format;  ///< "gguf" or "safetensors"
  const Architecture* architecture = nullptr;
  const TensorNames* names = nullptr;
  ModelConfig config;
  TokenizerData tokenizer;
  TensorDirectory tensors;
  std::vector<std::span<const std::byte>> parameter_files;  ///< whole files, in order
  bool is_copy = false;                                     ///< they lie in memory of their own, all of them
  std::vector<std::shared_ptr<const void>> owners;          ///< keep in memory what the views above point into
};

/// One GGUF file, or the first of a split one (NAME-00001-of-0000N.gguf) with the others beside it. Throws
/// BadModelFile, UnsupportedModel, BadTensor, MissingShard.
ModelSource read_gguf_model(const std::filesystem::path& path, FileMemory memory);

/// A folder as transformers writes it: config.json; model.safetensors, or shards with model.safetensors.index.json;
/// tokenizer.json, tokenizer_config.json and generation_config.json where they are there. Throws as above.
ModelSource read_model_folder(const std::filesystem::path& folder, FileMemory memory);

}  // namespace kvwave::capture
