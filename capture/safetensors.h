// Reads safetensors files: a header of JSON and a directory of tensors, which stay where the file lies in memory.
// Format: https://github.com/huggingface/safetensors (README, "Format")
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <vector>

#include "capture/mapped_file.h"
#include "capture/tensor_directory.h"

namespace kvwave::capture {

class SafetensorsFile {
 public:
  /// Every length, shape and offset is checked against the file's size first. Throws HeaderTooLong, DuplicateName,
  /// OverlappingTensors, UnsupportedModel for a dtype other than F32, F16 and BF16, and BadModelFile for anything else
  /// that is not a whole, consistent file (holes between tensors, as the format forbids them). Messages name the file.
  explicit SafetensorsFile(const std::filesystem::path& path, FileMemory memory = FileMemory::mapped,
                           const char* what = "model");

  std::span<const std::byte> file_bytes() const { return file_.bytes(); }
  bool is_copy() const { return file_.is_copy(); }
  std::span<const StoredTensor> tensors() const { return tensors_; }  ///< in the order of their bytes

 private:
  MappedFile file_;
  std::vector<StoredTensor> tensors_;
};

}  // namespace kvwave::capture
