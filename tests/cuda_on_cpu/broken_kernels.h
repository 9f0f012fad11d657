// Kernels that are wrong on purpose: the harness is tested by what it finds in them.
#pragma once

#include <string>

namespace kvwave::testing {

/// Runs one of them over 64 threads and 64 floats; prints what the process survived to see. Returns false for an
/// unknown name.
bool run_broken_kernel(const std::string& bug);

}  // namespace kvwave::testing
