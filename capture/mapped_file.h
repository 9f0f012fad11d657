// A whole file in memory for reading.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

namespace kvwave::capture {

/// mapped: the pages of the file itself, read when touched. copied: read at once into memory of its own in large pages,
/// which streams a quarter faster (the CPU translates 512 times fewer addresses); where that is not affordable(),
/// mapped all the same.
enum class FileMemory { mapped, copied };

/// `wanted`, or mapped where copies of all files of a model, `bytes` together, would take more than half of the memory
/// that is available.
FileMemory affordable(FileMemory wanted, std::uint64_t bytes);

class MappedFile {
 public:
  /// Throws BadModelFile when the path is missing, not a regular file, unreadable or empty. A file that another process
  /// shortens while it is mapped ends this process (SIGBUS): models are taken as finished files.
  /// Messages call the file a `what`.
  explicit MappedFile(const std::filesystem::path& path, FileMemory memory = FileMemory::mapped,
                      const char* what = "model");
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  bool is_copy() const { return is_copy_; }  ///< else mapped

 private:
  // Whether there is memory for a copy, and then the copy.
  bool copy(int descriptor, std::size_t size, const std::filesystem::path& path, const char* what);

  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  void* region_ = nullptr;  // what is to be unmapped: data_ lies in it
  std::size_t region_size_ = 0;
  bool is_copy_ = false;
};

}  // namespace kvwave::capture
