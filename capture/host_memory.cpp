#include "capture/host_memory.h"

#include <algorithm>

#include <fmt/format.h>

#include "capture/error.h"
#include "traces/progress.h"

namespace kvwave::capture {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::uint64_t kProgram = 16 * kMiB;
// Pieces and merges are kept as text, in a table by text or pair, and as bytes.
constexpr std::uint64_t kPerPiece = 200, kPerMerge = 130;
// What the recorder and the writer keep to, whatever the model: attention entries of a block, three blocks of q, k and
// v, rows that wait. Rows of large models may exceed the last.
constexpr std::uint64_t kEntryBlock = 8 * kMiB, kQkvBlocks = 3 * 8 * kMiB, kWaitingRows = 12 * kMiB;
constexpr std::uint64_t kQkvBlockRows = 64, kLeastWaitingRows = 4, kPromptRows = 32;

std::uint64_t recording_bytes(const ModelConfig& c, CacheType cache_type) {
  const std::uint64_t value_bytes = cache_type == CacheType::f16 ? 2 : 4;
  const std::uint64_t row =
      std::uint64_t{c.n_layers} * (c.n_q_heads + 2 * std::uint64_t{c.n_kv_heads}) * c.head_dim * value_bytes;
  return kEntryBlock + std::min(kQkvBlocks, kQkvBlockRows * row) + std::max(kWaitingRows, kLeastWaitingRows * row) +
         kPromptRows * row;
}

}  // namespace

HostMemory predict_host_memory(const Model& model, CacheType cache_type, std::uint32_t positions, unsigned threads,
                               bool records) {
  const DecoderMemory decoder = decoder_memory(model.config(), cache_type, positions, threads);
  const TokenizerData& tokenizer = model.tokenizer_data();
  HostMemory memory;
  memory.positions = positions;
  memory.parameters = model.file_bytes();
  memory.kv_cache = decoder.kv_cache;
  memory.activations = decoder.activations;
  memory.tokenizer = kPerPiece * tokenizer.pieces.size() + kPerMerge * tokenizer.merges.size();
  memory.recording = records ? recording_bytes(model.config(), cache_type) : 0;
  memory.program = kProgram;
  return memory;
}

Placement placement(const HostMemory& memory, std::uint64_t available) {
  if (available != 0 && memory.total() > available) return Placement::reread;
  return memory.parameters <= available / 2 ? Placement::copied : Placement::mapped;
}

std::string describe(Placement placement) {
  switch (placement) {
    case Placement::copied:
      return "copied into large pages";
    case Placement::mapped:
      return "used where the file lies in memory";
    case Placement::reread:
      break;
  }
  return "more than memory holds beside the rest: read from the disk again for every token";
}

std::string check_host_memory(const HostMemory& memory, bool parameters_are_copied, std::uint64_t available) {
  if (available == 0) return "";
  const std::uint64_t rest = memory.kv_cache + memory.activations + memory.recording;
  if (rest > available) {
    throw NotEnoughMemory(fmt::format(
        "{} positions take {} beside the parameters (KV cache {}), but {} of memory are available; lower -n",
        memory.positions, traces::human_bytes(rest), traces::human_bytes(memory.kv_cache),
        traces::human_bytes(available)));
  }
  if (parameters_are_copied || memory.parameters <= available - rest) return "";
  return fmt::format(
      "memory: {} of parameters and {} for {} positions do not fit the {} that are available: parameters "
      "will be read from the disk again for every token, which is slow",
      traces::human_bytes(memory.parameters), traces::human_bytes(rest), memory.positions,
      traces::human_bytes(available));
}

}  // namespace kvwave::capture
