// SHA-256 (FIPS 180-4), used for identities of models, prompts and traces.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace kvwave::traces {

class Sha256 {
 public:
  Sha256();
  Sha256& update(std::span<const std::byte> bytes);
  Sha256& update(std::string_view text);
  /// 64 lower-case hex digits. The object must not be used afterwards.
  std::string hex();

 private:
  void block(const std::uint8_t* data);
  std::array<std::uint32_t, 8> state_;
  std::array<std::uint8_t, 64> buffer_{};
  std::uint64_t length_ = 0;
};

/// Hash of a whole file, read in pieces. Throws NotATrace when it cannot be read.
std::string sha256_file(const std::filesystem::path& path);

}  // namespace kvwave::traces
