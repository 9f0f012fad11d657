// The font files lie in the program's read-only data, so that a picture looks the same on every machine.
#include <cstdint>

#include "viewer/app/theme.h"

// clang-format off
#define KVWAVE_EMBED(symbol, file)                                                                                 \
  __asm__(".pushsection .rodata\n.balign 16\n.global " #symbol "\n" #symbol ":\n.incbin \"" KVWAVE_FONTS "/" file  \
          "\"\n.global " #symbol "_end\n" #symbol "_end:\n.byte 0\n.popsection\n");                               \
  extern "C" const std::uint8_t symbol[], symbol##_end[]
// clang-format on

KVWAVE_EMBED(kvwave_font_regular, "Roboto-Regular.ttf");
KVWAVE_EMBED(kvwave_font_bold, "Roboto-Bold.ttf");
KVWAVE_EMBED(kvwave_font_mono, "Inconsolata-Medium.ttf");

namespace kvwave::viewer {
namespace {

ImFont* add(const std::uint8_t* begin, const std::uint8_t* end, float size) {
  ImFontConfig config;
  config.FontDataOwnedByAtlas = false;
  return ImGui::GetIO().Fonts->AddFontFromMemoryTTF(const_cast<std::uint8_t*>(begin), static_cast<int>(end - begin),
                                                    size, &config);
}

}  // namespace

Fonts load_fonts() {
  Fonts fonts;
  fonts.regular = add(kvwave_font_regular, kvwave_font_regular_end, kTextSize);
  fonts.bold = add(kvwave_font_bold, kvwave_font_bold_end, kTextSize);
  fonts.mono = add(kvwave_font_mono, kvwave_font_mono_end, kTextSize);
  return fonts;
}

}  // namespace kvwave::viewer
