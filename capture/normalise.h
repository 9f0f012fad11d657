// Unicode normalisation of text before it is split (Unicode Standard Annex 15).
#pragma once

#include <string>
#include <string_view>

namespace kvwave::capture {

/// Normalisation form C, by utf8proc. `text` must be valid UTF-8. Throws BadPrompt when it cannot be done.
std::string to_nfc(std::string_view text);

}  // namespace kvwave::capture
