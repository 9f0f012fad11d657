// Writes small safetensors files for tests, good ones and broken ones: header and data are free text.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/capture/gguf_builder.h"

namespace kvwave::capture::testing {

inline std::string safetensors_bytes(const std::string& header, const std::string& data) {
  return little_endian<std::uint64_t>(header.size()) + header + data;
}

inline void write_bytes(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

}  // namespace kvwave::capture::testing
