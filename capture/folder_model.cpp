// Folders as transformers writes them, as one model.
#include <string>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "capture/error.h"
#include "capture/hf_config.h"
#include "capture/hf_tokenizer.h"
#include "capture/json_reader.h"
#include "capture/model_source.h"
#include "capture/safetensors_folder.h"

namespace kvwave::capture {
namespace {

// "models/SmolLM2/" and "." have no last part of their own.
std::string folder_name(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::path whole = std::filesystem::weakly_canonical(folder, error);
  if (error) whole = folder;
  const std::string name = whole.filename().string();
  return name.empty() ? folder.string() : name;
}

}  // namespace

ModelSource read_model_folder(const std::filesystem::path& folder, FileMemory memory) {
  std::error_code error;
  if (!std::filesystem::exists(folder / "config.json", error)) {
    throw BadModelFile(
        fmt::format("{}: no config.json in the folder; a GGUF model is given by its file", folder.string()));
  }
  const nlohmann::json json = read_json_file(folder / "config.json");
  const JsonObject config(json, (folder / "config.json").string());
  const Architecture& architecture = read_hf_architecture(config);
  SafetensorsFolder parameters = open_safetensors(folder, memory);
  ModelSource source{.format = "safetensors",
                     .architecture = &architecture,
                     .names = &kHuggingFaceNames,
                     .config = read_hf_config(config, architecture, parameters.tensors),
                     .tokenizer = {},
                     .tensors = std::move(parameters.tensors),
                     .parameter_files = {},
                     .is_copy = true,
                     .owners = {}};
  for (const auto& file : parameters.files) {
    source.parameter_files.push_back(file->file_bytes());
    source.is_copy &= file->is_copy();
    source.owners.push_back(file);
  }
  source.config.name = folder_name(folder);
  source.tokenizer = read_hf_tokenizer(folder, config, source.config.vocab_size);
  return source;
}

}  // namespace kvwave::capture
