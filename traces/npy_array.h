// NumPy's .npy arrays (format 1.0 to 3.0) in memory: the header checked against the bytes that follow it. Little-endian
// reals in C order are read; everything else is refused by name.
// Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kvwave::traces {

enum class NpyType : std::uint8_t { f2, f4, f8 };
std::size_t byte_size(NpyType type);
std::string_view to_string(NpyType type);  ///< "<f2", "<f4" or "<f8"

struct NpyArray {
  NpyType type = NpyType::f4;
  std::vector<std::uint64_t> shape;  ///< at most 8 extents; empty = one value
  std::span<const std::byte> data;   ///< inside the bytes that were parsed, any alignment

  std::uint64_t size() const { return data.size() / byte_size(type); }  ///< values
};

bool is_npy(std::string_view bytes);

/// Throws BadArrayFile (without the file's name) naming what was expected and found: no header, another type or order,
/// a shape whose values are more or fewer than the bytes hold.
NpyArray parse_npy(std::span<const std::byte> bytes);

/// Values [first, first + out.size()) in row-major order as floats: f2 and f4 exactly, f8 rounded to nearest.
void npy_values(const NpyArray& array, std::uint64_t first, std::span<float> out);
/// The same as doubles, all exactly.
void npy_values(const NpyArray& array, std::uint64_t first, std::span<double> out);

/// What numpy.save writes for a float32 array of that shape, byte for byte.
std::string npy_bytes(std::span<const std::uint64_t> shape, std::span<const float> values);

/// "[2, 4, 7]"
std::string shape_text(std::span<const std::uint64_t> shape);

}  // namespace kvwave::traces
