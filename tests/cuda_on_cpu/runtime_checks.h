// What the device layer says when a call fails, for tests that know nothing of CUDA.
#pragma once

#include <cstddef>
#include <string>

namespace kvwave::testing {

/// The text of the error of an allocation of so many bytes; "" when it succeeded.
std::string refusal_of_allocation(std::size_t bytes);
/// The text of the error of a launch with too many threads.
std::string refusal_of_launch();
/// The text of the error of a copy past a buffer's end.
std::string refusal_of_copy();

}  // namespace kvwave::testing
