// Reads GGUF files (versions 2 and 3, little endian): typed key-value pairs and a directory of tensors. Values and
// tensors stay where the file lies in memory, and every count, length, shape and offset is checked against the file's
// size first.
// Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "capture/mapped_file.h"
#include "kernels/params.h"

namespace kvwave::capture {

/// Value types with the numbers they have in files.
enum class GgufType : std::uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, string, array, u64, i64, f64 };
std::string_view to_string(GgufType type);

/// One value, still in the file. For arrays `type` is that of the elements.
struct GgufValue {
  GgufType type = GgufType::u8;
  bool is_array = false;
  std::uint64_t count = 1;
  std::span<const std::byte> bytes;
};

struct GgufTensor {
  std::string_view name;
  kernels::ParamType type = kernels::ParamType::f32;
  std::vector<std::uint64_t> shape;  ///< 1 to 4 extents, the first varies fastest (a row's length)
  std::uint64_t offset = 0;          ///< from the start of the file
  std::span<const std::byte> bytes;

  std::string shape_text() const;  ///< "[576, 1536]"
};

class GgufFile {
 public:
  /// Throws BadModelFile for anything that is not a whole, consistent GGUF file; UnsupportedModel for big-endian files,
  /// other versions and tensor types that kvwave does not know. Messages name the file.
  explicit GgufFile(const std::filesystem::path& path, FileMemory memory = FileMemory::mapped);

  const std::filesystem::path& path() const { return path_; }
  std::uint32_t version() const { return version_; }
  std::span<const std::byte> file_bytes() const { return file_.bytes(); }
  bool is_copy() const { return file_.is_copy(); }
  std::span<const GgufTensor> tensors() const { return tensors_; }
  const GgufTensor* find_tensor(std::string_view name) const;  ///< nullptr when absent
  const GgufValue* find(std::string_view key) const;           ///< nullptr when absent

  // The value of a key, nullopt when the key is absent. BadModelFile when it has another kind of type, or does not fit.
  std::optional<std::uint64_t> unsigned_integer(std::string_view key) const;
  std::optional<double> real(std::string_view key) const;
  std::optional<bool> boolean(std::string_view key) const;
  std::optional<std::string> string(std::string_view key) const;
  std::optional<std::vector<std::string>> strings(std::string_view key) const;
  std::optional<std::vector<std::int32_t>> integers(std::string_view key) const;
  std::optional<std::vector<float>> reals(std::string_view key) const;

 private:
  [[noreturn]] void wrong_type(std::string_view key, std::string_view expected, const GgufValue& value) const;

  std::filesystem::path path_;
  MappedFile file_;
  std::uint32_t version_ = 0;
  std::unordered_map<std::string_view, GgufValue> values_;
  std::vector<GgufTensor> tensors_;
  std::unordered_map<std::string_view, std::size_t> tensor_index_;
};

}  // namespace kvwave::capture
