// Colours with one meaning each, safe for colour-blind readers. Sequential: dark to bright in luminance (after
// matplotlib's viridis, CC0). Diverging: orange - white - blue, zero white, blue = more for A, orange = more for B.
#pragma once

#include <array>
#include <cstdint>

namespace kvwave::viewer {

struct Rgb {
  std::uint8_t r = 0, g = 0, b = 0;
  bool operator==(const Rgb&) const = default;
};

/// Byte order R, G, B, A in memory, as OpenGL and Dear ImGui take it.
constexpr std::uint32_t pack(Rgb colour, std::uint8_t alpha = 255) {
  return static_cast<std::uint32_t>(colour.r) | static_cast<std::uint32_t>(colour.g) << 8 |
         static_cast<std::uint32_t>(colour.b) << 16 | static_cast<std::uint32_t>(alpha) << 24;
}

enum class ColourMap { sequential, diverging };

/// t in [0, 1], clamped; NaN gives the colour of 0 (callers leave cells without a value out).
Rgb map_colour(ColourMap map, float t);
/// All 256 colours of a map, packed.
const std::array<std::uint32_t, 256>& colour_table(ColourMap map);

/// Relative luminance in [0, 1] (WCAG 2): which text colour reads on a background.
double luminance(Rgb colour);

}  // namespace kvwave::viewer
