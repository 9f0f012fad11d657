// A small file from the user, read whole.
#pragma once

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>

#include <fmt/format.h>

namespace kvwave::replay {

/// The bytes of `path`. Throws Error, naming the file and `what` it should have been, when it is a folder, cannot be
/// opened or is larger than most_mib MiB.
template <class Error>
std::string read_input_text(const std::filesystem::path& path, std::size_t most_mib, std::string_view what) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    throw Error(fmt::format("{}: is a folder, not a {}", path.string(), what));
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error(path.string() + ": cannot be opened");
  std::string text, block(std::size_t{1} << 16U, '\0');
  while (file) {
    file.read(block.data(), static_cast<std::streamsize>(block.size()));
    text.append(block, 0, static_cast<std::size_t>(file.gcount()));
    if (text.size() > most_mib << 20U) {
      throw Error(fmt::format("{}: larger than {} MiB, no {}", path.string(), most_mib, what));
    }
  }
  return text;
}

}  // namespace kvwave::replay
