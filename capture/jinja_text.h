// Brings Jinja templates that differ only in spelling to one text, so that they can be compared.
#pragma once

#include <string>
#include <string_view>

namespace kvwave::capture {

/// Inside tags: no blanks, single quotes, "\n" as a line break, neighbouring string literals joined, message.role as
/// message['role']. Outside tags: white space goes where Jinja would drop it ("-" marks, trim_blocks, lstrip_blocks).
std::string normalise_jinja(std::string_view text);

}  // namespace kvwave::capture
