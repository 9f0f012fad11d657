// How much of the machine's memory decoding and recording on the CPU take, before anything is run.
#pragma once

#include <cstdint>
#include <string>

#include "capture/decoder.h"
#include "capture/model.h"

namespace kvwave::capture {

struct HostMemory {
  std::uint32_t positions = 0;    ///< length of the sequence
  std::uint64_t parameters = 0;   ///< the model's files, copied or mapped
  std::uint64_t kv_cache = 0;     ///< of the whole sequence
  std::uint64_t activations = 0;  ///< of a block of positions and for each thread
  std::uint64_t tokenizer = 0;    ///< an estimate
  std::uint64_t recording = 0;    ///< rows on their way into a trace with all levels, an estimate; 0 = not recorded
  std::uint64_t program = 0;      ///< code, libraries and small things, an estimate

  std::uint64_t beside_parameters() const { return kv_cache + activations + tokenizer + recording + program; }
  /// Expected peak of the process's resident memory.
  std::uint64_t total() const { return parameters + beside_parameters(); }
};

HostMemory predict_host_memory(const Model& model, CacheType cache_type, std::uint32_t positions, unsigned threads,
                               bool records);

/// What becomes of the parameters where `available` bytes can be taken: copied into large pages, used where the file
/// lies in memory, or (the machine is too small) read from the disk again for every token.
enum class Placement { copied, mapped, reread };
Placement placement(const HostMemory& memory, std::uint64_t available);
std::string describe(Placement placement);

/// For a model that is loaded and about to decode on the CPU, with `available` bytes left (0 = not known). Throws
/// NotEnoughMemory when what it takes beside the parameters does not fit. The line that says that the parameters will
/// not stay in memory; empty when they will.
std::string check_host_memory(const HostMemory& memory, bool parameters_are_copied, std::uint64_t available);

}  // namespace kvwave::capture
