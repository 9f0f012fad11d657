// Runs a parsed Jinja template.
#pragma once

#include <string>
#include <string_view>

#include "capture/jinja_syntax.h"
#include "capture/jinja_value.h"

namespace kvwave::capture::jinja {

/// What the template writes with these variables. Throws UnsupportedTemplate naming line and construct for what cannot
/// be evaluated, for more than 2^22 steps and for more than 64 MiB of text; BadPrompt with the template's own words
/// when it calls raise_exception.
std::string render(const Node& program, const Dict& variables);

}  // namespace kvwave::capture::jinja
