// Named arrays, whatever holds them: an .npz archive, one .npy file, or a folder of .npy files.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "capture/mapped_file.h"
#include "traces/npy_array.h"
#include "traces/zip_file.h"

namespace kvwave::capture {

class ArrayArchive {
 public:
  /// An array together with the memory it was unpacked into; empty memory when it is read in place.
  struct Loaded {
    std::vector<std::byte> memory;
    traces::NpyArray array;
  };

  /// Names are those of numpy: of members and files without ".npy". Throws BadRecording naming the file.
  explicit ArrayArchive(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  std::vector<std::string> names() const;                       ///< ascending
  std::vector<std::filesystem::path> files() const;             ///< all files that hold arrays, ascending
  std::string place(const std::string& name) const;             ///< for messages: "rows.npz: array 'layer_0'"
  std::uint64_t unpacked_bytes(const std::string& name) const;  ///< memory that load() takes; 0 = read in place

  /// Throws BadRecording for an array that is damaged or of a type that is not read.
  std::shared_ptr<const Loaded> load(const std::string& name) const;

 private:
  void add_file(const std::filesystem::path& path, const std::string& name);

  std::filesystem::path path_;
  std::vector<std::unique_ptr<MappedFile>> mapped_;
  std::vector<std::filesystem::path> files_;
  std::map<std::string, traces::ZipMember> members_;  // a lone file counts as a stored member
  bool is_archive_ = false;
};

}  // namespace kvwave::capture
