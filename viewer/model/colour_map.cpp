#include "viewer/model/colour_map.h"

#include <algorithm>
#include <cmath>

namespace kvwave::viewer {
namespace {

using Stops = std::array<Rgb, 11>;  // at t = 0, 0.1, ... 1

constexpr Stops kSequential = {{{68, 1, 84},
                                {72, 36, 117},
                                {65, 68, 135},
                                {53, 95, 141},
                                {42, 120, 142},
                                {33, 145, 140},
                                {34, 168, 132},
                                {68, 191, 112},
                                {122, 209, 81},
                                {189, 223, 38},
                                {253, 231, 37}}};
constexpr Stops kDiverging = {{{127, 59, 8},
                               {178, 88, 6},
                               {224, 130, 20},
                               {246, 178, 96},
                               {253, 221, 178},
                               {255, 255, 255},
                               {203, 225, 240},
                               {140, 190, 221},
                               {67, 147, 195},
                               {33, 102, 172},
                               {5, 48, 97}}};

std::array<std::uint32_t, 256> make_table(ColourMap map) {
  std::array<std::uint32_t, 256> table{};
  for (std::size_t i = 0; i < table.size(); ++i) table[i] = pack(map_colour(map, static_cast<float>(i) / 255.0F));
  return table;
}

std::uint8_t between(std::uint8_t from, std::uint8_t to, float share) {
  return static_cast<std::uint8_t>(
      std::lround(static_cast<float>(from) * (1 - share) + static_cast<float>(to) * share));
}

double linear(std::uint8_t channel) {
  const double c = channel / 255.0;
  return c <= 0.03928 ? c / 12.92 : std::pow((c + 0.055) / 1.055, 2.4);
}

}  // namespace

Rgb map_colour(ColourMap map, float t) {
  const Stops& stops = map == ColourMap::sequential ? kSequential : kDiverging;
  const float scaled = (t > 0 ? std::min(t, 1.0F) : 0.0F) * static_cast<float>(stops.size() - 1);
  const auto index = std::min(static_cast<std::size_t>(scaled), stops.size() - 2);
  const float share = scaled - static_cast<float>(index);
  const Rgb &from = stops[index], &to = stops[index + 1];
  return {between(from.r, to.r, share), between(from.g, to.g, share), between(from.b, to.b, share)};
}

const std::array<std::uint32_t, 256>& colour_table(ColourMap map) {
  static const std::array<std::uint32_t, 256> sequential = make_table(ColourMap::sequential);
  static const std::array<std::uint32_t, 256> diverging = make_table(ColourMap::diverging);
  return map == ColourMap::sequential ? sequential : diverging;
}

double luminance(Rgb colour) {
  return 0.2126 * linear(colour.r) + 0.7152 * linear(colour.g) + 0.0722 * linear(colour.b);
}

}  // namespace kvwave::viewer
