// GGUF files, whole or split, as one model.
#include <charconv>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "capture/error.h"
#include "capture/gguf.h"
#include "capture/gguf_config.h"
#include "capture/gguf_tokenizer.h"
#include "capture/model_source.h"
#include "capture/printable.h"

namespace kvwave::capture {
namespace {

constexpr std::uint64_t kMostParts = 99999;  // what the five digits of the names hold

void add_tensors(const GgufFile& file, TensorDirectory& tensors) {
  for (const GgufTensor& tensor : file.tensors()) {
    tensors.add({std::string(tensor.name), tensor.type, {tensor.shape.rbegin(), tensor.shape.rend()}, tensor.bytes});
  }
}

std::uint64_t part_count(const GgufFile& file) {
  const std::uint64_t count = file.unsigned_integer("split.count").value_or(1);
  if (count > kMostParts) {
    throw BadModelFile(
        fmt::format("{}: split.count is {}, expected at most {}", file.path().string(), count, kMostParts));
  }
  return count;
}

std::string part_ending(std::uint64_t number, std::uint64_t count) {
  return fmt::format("-{:05}-of-{:05}.gguf", number, count);
}

std::filesystem::path part_path(const std::filesystem::path& first, std::uint64_t number, std::uint64_t count) {
  const std::string ending = part_ending(1, count);
  const std::string name = first.filename().string();
  if (!name.ends_with(ending)) {
    throw BadModelFile(fmt::format("{}: the first of {} files of a split model, whose name should end in {}",
                                   first.string(), count, ending));
  }
  return first.parent_path() / (name.substr(0, name.size() - ending.size()) + part_ending(number, count));
}

std::shared_ptr<const GgufFile> open_part(const std::filesystem::path& path, std::uint64_t index, std::uint64_t count,
                                          FileMemory memory) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    throw MissingShard(fmt::format("{}: file {} of {} of a split model is missing", path.string(), index + 1, count));
  }
  auto part = std::make_shared<const GgufFile>(path, memory);
  const std::uint64_t own_count = part_count(*part);
  const std::uint64_t own_index = part->unsigned_integer("split.no").value_or(0);
  if (own_count != count || own_index != index) {
    throw BadModelFile(fmt::format("{}: says it is file {} of {} of a split model, expected {} of {}", path.string(),
                                   own_index + 1, own_count, index + 1, count));
  }
  return part;
}

void add_parts(const GgufFile& first, FileMemory memory, ModelSource& source) {
  const std::uint64_t count = part_count(first);
  for (std::uint64_t i = 1; i < count; ++i) {
    const auto part = open_part(part_path(first.path(), i + 1, count), i, count, memory);
    add_tensors(*part, source.tensors);
    source.parameter_files.push_back(part->file_bytes());
    source.is_copy &= part->is_copy();
    source.owners.push_back(part);
  }
  const std::uint64_t expected = first.unsigned_integer("split.tensors.count").value_or(source.tensors.all().size());
  if (expected != source.tensors.all().size()) {
    throw MissingTensor(fmt::format("{}: split.tensors.count is {}, but its {} files hold {} tensors",
                                    first.path().string(), expected, count, source.tensors.all().size()));
  }
}

// The bytes of all files, as the first one's name counts them; 0 where it is the only one.
std::uint64_t bytes_of_parts(const std::filesystem::path& first) {
  constexpr std::string_view kFirst = "-00001-of-", kLast = ".gguf";
  const std::string name = first.filename().string();
  const std::size_t at = name.rfind(kFirst);
  std::uint64_t count = 0, bytes = 0;
  if (at == std::string::npos || !name.ends_with(kLast)) return 0;
  const char* digits = name.data() + at + kFirst.size();
  if (std::from_chars(digits, name.data() + name.size() - kLast.size(), count).ec != std::errc()) return 0;
  if (count > kMostParts || !name.ends_with(part_ending(1, count))) return 0;
  for (std::uint64_t i = 1; i <= count; ++i) {
    std::error_code error;
    const std::uintmax_t size = std::filesystem::file_size(part_path(first, i, count), error);
    bytes += error ? 0 : size;
  }
  return bytes;
}

// Only the first of several files says what the model is.
void require_first_part(const GgufFile& file) {
  const std::uint64_t index = file.unsigned_integer("split.no").value_or(0);
  if (index == 0) return;
  throw BadModelFile(fmt::format("{}: file {} of {} of a split model; give the first one", file.path().string(),
                                 index + 1, part_count(file)));
}

}  // namespace

ModelSource read_gguf_model(const std::filesystem::path& path, FileMemory memory) {
  memory = affordable(memory, bytes_of_parts(path));
  const auto file = std::make_shared<const GgufFile>(path, memory);
  const std::string name = path.string();
  require_first_part(*file);
  const auto architecture = file->string("general.architecture");
  if (!architecture) throw BadModelFile(fmt::format("{}: key 'general.architecture' is missing", name));
  ModelSource source{.format = "gguf",
                     .architecture = &find_architecture(*architecture, name),
                     .names = &kGgufNames,
                     .config = {},
                     .tokenizer = {},
                     .tensors = TensorDirectory(name, ShapeOrder::innermost_first),
                     .parameter_files = {file->file_bytes()},
                     .is_copy = file->is_copy(),
                     .owners = {file}};
  add_tensors(*file, source.tensors);
  if (part_count(*file) > 1) add_parts(*file, memory, source);
  source.config = read_gguf_config(*file, *source.architecture, source.tensors);
  source.tokenizer = read_tokenizer_data(*file, source.config.vocab_size);
  return source;
}

}  // namespace kvwave::capture
