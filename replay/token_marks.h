// Private to replay: what the recorded text says to triggers.
#pragma once

#include <memory>

#include "replay/sequence.h"

namespace kvwave::traces {
class TraceReader;
}

namespace kvwave::replay {

/// Marks of the generated tokens. Throws MissingLevel without level tokens.
std::shared_ptr<const TokenMarks> token_marks(const traces::TraceReader& trace);

}  // namespace kvwave::replay
