// A whole file mapped into memory for reading.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

namespace kvwave::capture {

class MappedFile {
 public:
  /// Throws BadModelFile when the path is missing, not a regular file, unreadable or empty. A file that another process
  /// shortens while it is mapped ends this process (SIGBUS): models are taken as finished files.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace kvwave::capture
