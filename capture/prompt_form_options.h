// The options --raw, --system, --think and --no-think, which several commands have.
#pragma once

#include "capture/prompt_text.h"
#include "traces/command_options.h"

namespace kvwave::capture {

/// Throws traces::UsageError when they exclude each other.
PromptForm read_prompt_form(const boost::program_options::variables_map& values);

}  // namespace kvwave::capture
