// PNG files of 8-bit RGB pictures: indexed where 256 colours are enough, else true colour. Equal pixels give equal
// bytes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace kvwave::viewer {

/// `rgb`: [height, width, 3], top row first. Throws std::invalid_argument when the sizes do not fit.
std::string encode_png(std::span<const std::uint8_t> rgb, int width, int height);

/// Encodes and writes. Throws traces::OutputExists, traces::OutputFailed.
void write_png(const std::filesystem::path& path, std::span<const std::uint8_t> rgb, int width, int height,
               bool overwrite);

}  // namespace kvwave::viewer
