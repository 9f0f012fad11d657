// The rows of controls above the plots, which flow like words: what does not fit beside the last one goes below it.
#pragma once

#include <imgui.h>
#include <span>

namespace kvwave::viewer {

/// A row of words of which one is chosen; true when that changed.
bool choice(const char* id, std::span<const char* const> words, int& chosen);
/// Puts the next control, `width` pixels wide, beside the last one when there is room.
void flow(float width);
/// A checkbox that flows.
bool flowing_checkbox(const char* label, bool& on);

}  // namespace kvwave::viewer
