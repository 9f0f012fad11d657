// A killed writer's trace as a cleanly closed file, without HDF5's h5clear tool.
#pragma once

#include <cstdint>
#include <filesystem>

namespace kvwave::traces {

struct Repaired {
  std::uint32_t n_positions = 0;  ///< valid positions, all of them in the new file
  bool was_open = false;          ///< false: the source was closed cleanly already, the copy is plain
};

/// Copies `source` to `target`, clears the writer's mark, cuts every dataset to the valid rows and checks that the copy
/// has the same content hash. `target` appears whole or not at all. The writer must not be running. Throws what
/// TraceReader throws about the source, OutputExists, OutputFailed.
Repaired repair_trace(const std::filesystem::path& source, const std::filesystem::path& target, bool overwrite);

}  // namespace kvwave::traces
