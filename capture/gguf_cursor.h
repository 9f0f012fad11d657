// Walks through a GGUF header: each read is checked against the end of the file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <span>
#include <string_view>

#include "capture/gguf.h"

namespace kvwave::capture {

/// Bytes of one value of a fixed-size type; 0 for strings and arrays.
std::size_t fixed_size(GgufType type);

class GgufCursor {
 public:
  /// Both arguments must outlive the cursor.
  GgufCursor(const std::filesystem::path& path, std::span<const std::byte> file) : path_(path), file_(file) {}

  std::size_t position() const { return position_; }
  std::uint64_t remaining() const { return file_.size() - position_; }

  /// A number as it lies in the file. All reads throw BadModelFile, naming `what`, when the file ends too soon.
  template <typename T>
  T number(std::string_view what) {
    T value;
    std::memcpy(&value, take(sizeof value, what).data(), sizeof value);
    return value;
  }
  std::string_view string(std::string_view what);
  GgufType type(std::string_view what);
  /// A value with its type in front.
  GgufValue value(std::string_view key);
  /// A number of things of at least `smallest` bytes each that follow; checked against what is left of the file.
  std::uint64_t count(std::size_t smallest, std::string_view what);

 private:
  std::span<const std::byte> take(std::uint64_t n, std::string_view what);
  void skip_elements(GgufType type, std::uint64_t n, std::string_view what);

  const std::filesystem::path& path_;
  std::span<const std::byte> file_;
  std::size_t position_ = 0;
};

}  // namespace kvwave::capture
