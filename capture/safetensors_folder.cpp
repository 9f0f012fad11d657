#include "capture/safetensors_folder.h"

#include <map>
#include <set>
#include <string>
#include <unordered_set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "capture/error.h"
#include "capture/json_reader.h"
#include "capture/printable.h"

namespace kvwave::capture {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSingle = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";
constexpr std::size_t kMostShards = 4096;

/// Shard -> the tensors that the index expects in it.
using ShardTensors = std::map<std::string, std::vector<std::string>>;

ShardTensors read_index(const fs::path& path) {
  const nlohmann::json json = read_json_file(path);
  const auto map = JsonObject(json, path.string()).object("weight_map");
  if (!map) throw BadModelFile(fmt::format("{}: field 'weight_map' is missing", path.string()));
  ShardTensors shards;
  for (const auto& [tensor, file] : json.at("weight_map").items()) {
    if (!file.is_string()) {
      throw BadModelFile(fmt::format("{}: tensor {} has no file name", path.string(), printable(tensor)));
    }
    const auto name = file.get<std::string>();
    const bool plain = !name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos &&
                       name.find('\0') == std::string::npos;
    if (!plain) {
      throw BadModelFile(fmt::format("{}: tensor {} is in file {}, expected a name inside the folder", path.string(),
                                     printable(tensor), printable(name)));
    }
    shards[name].push_back(tensor);
  }
  if (shards.empty()) throw BadModelFile(fmt::format("{}: 'weight_map' names no tensor", path.string()));
  if (shards.size() > kMostShards) {
    throw BadModelFile(fmt::format("{}: {} shards, expected at most {}", path.string(), shards.size(), kMostShards));
  }
  return shards;
}

// 0 for what is no file: opening it says what is wrong.
std::uint64_t file_bytes(const fs::path& path) {
  std::error_code error;
  const std::uintmax_t bytes = fs::file_size(path, error);
  return error ? 0 : bytes;
}

void add_file(const fs::path& path, FileMemory memory, SafetensorsFolder& folder) {
  folder.files.push_back(std::make_shared<const SafetensorsFile>(path, memory));
  for (const StoredTensor& tensor : folder.files.back()->tensors()) folder.tensors.add(tensor);
}

void check_shard(const SafetensorsFile& shard, const std::vector<std::string>& expected, const fs::path& index,
                 const std::string& name) {
  std::unordered_set<std::string_view> held;
  for (const StoredTensor& tensor : shard.tensors()) held.insert(tensor.name);
  for (const std::string& tensor : expected) {
    if (held.contains(tensor)) continue;
    throw MissingTensor(
        fmt::format("{}: names tensor {} in {}, which lacks it", index.string(), printable(tensor), printable(name)));
  }
}

}  // namespace

SafetensorsFolder open_safetensors(const fs::path& folder, FileMemory memory) {
  SafetensorsFolder result{{}, TensorDirectory(folder.string(), ShapeOrder::outermost_first)};
  const fs::path index = folder / kIndex;
  std::error_code error;
  if (!fs::exists(index, error)) {
    if (!fs::exists(folder / kSingle, error)) {
      throw MissingShard(fmt::format("{}: neither {} nor {} is there", folder.string(), kSingle, kIndex));
    }
    add_file(folder / kSingle, memory, result);
    return result;
  }
  const ShardTensors shards = read_index(index);
  for (const auto& [name, tensors] : shards) {
    if (!fs::exists(folder / name, error)) {
      throw MissingShard(
          fmt::format("{}: names shard {}, which is not in the folder", index.string(), printable(name)));
    }
  }
  std::uint64_t bytes = 0;
  for (const auto& [name, tensors] : shards) bytes += file_bytes(folder / name);
  memory = affordable(memory, bytes);
  for (const auto& [name, tensors] : shards) {
    add_file(folder / name, memory, result);
    check_shard(*result.files.back(), tensors, index, name);
  }
  return result;
}

}  // namespace kvwave::capture
