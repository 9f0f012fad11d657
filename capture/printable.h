// Text from an untrusted file, made fit for a one-line message.
#pragma once

#include <string>
#include <string_view>

namespace kvwave::capture {

/// 'text' in single quotes; control characters and bytes above 126 as \xNN, and at most 80 characters before "...".
std::string printable(std::string_view text);

}  // namespace kvwave::capture
