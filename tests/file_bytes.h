// A file as it is.
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace kvwave {

/// Empty when it cannot be read.
inline std::string file_bytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace kvwave
