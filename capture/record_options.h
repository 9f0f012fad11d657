// The options --levels, --epsilon, --attention-dtype, --rho and --prompt-window: what of each row goes into a trace.
#pragma once

#include "capture/option_reader.h"
#include "capture/trace_description.h"

namespace kvwave::capture {

void add_record_options(boost::program_options::options_description& options);

/// Throws traces::UsageError naming the option.
RecordOptions read_record_options(const OptionReader& reader);

}  // namespace kvwave::capture
