// The parameters of a model folder: model.safetensors, or shards that an index lists.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "capture/mapped_file.h"
#include "capture/safetensors.h"
#include "capture/tensor_directory.h"

namespace kvwave::capture {

struct SafetensorsFolder {
  std::vector<std::shared_ptr<const SafetensorsFile>> files;  ///< shards in the order of their names
  TensorDirectory tensors;
};

/// model.safetensors.index.json where it is there, else model.safetensors. Throws what SafetensorsFile throws;
/// MissingShard for a file that is not there; BadModelFile for an index that names files outside the folder;
/// MissingTensor for a tensor that the index names and its shard lacks; DuplicateName for one in two shards.
SafetensorsFolder open_safetensors(const std::filesystem::path& folder, FileMemory memory);

}  // namespace kvwave::capture
