// The words of a trace: model shape, levels, provenance. FORMAT.md beside this file is the specification; names and
// types of datasets are written here once and used by writer, reader, validator and documentation test.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kvwave::traces {

inline constexpr std::string_view kFormatName = "kvwave-trace";
inline constexpr std::int32_t kFormatVersion = 1;

/// Default grid of rho for demand N(rho); always holds 0.93, the value of the ReasonAlloc paper.
inline const std::vector<double> kDefaultRho = {0.5, 0.8, 0.9, 0.93, 0.95, 0.99};
inline constexpr std::uint32_t kStatSinks = 4;    ///< `n_sink`: positions 0..3 count as sinks in sink_mass
inline constexpr std::uint32_t kStatRecent = 32;  ///< `n_recent`: newest positions counted in recent_mass
inline constexpr std::uint32_t kPromptWindow = 32;
inline constexpr double kDefaultEpsilon = 1e-2;

/// Sizes that fix every dataset's shape. All at least 1; n_q_heads is a multiple of n_kv_heads.
struct ModelShape {
  std::uint32_t n_layers = 0;
  std::uint32_t n_q_heads = 0;
  std::uint32_t n_kv_heads = 0;
  std::uint32_t head_dim = 0;

  std::uint32_t group() const { return n_q_heads / n_kv_heads; }  ///< G: query heads per KV head
  bool operator==(const ModelShape&) const = default;
};

/// Which levels a trace holds; any combination with at least one.
struct Levels {
  bool tokens = true;
  bool stats = true;
  bool attention = true;
  bool qkv = true;

  bool operator==(const Levels&) const = default;
  /// Comma list in the fixed order tokens,stats,attention,qkv.
  std::string to_string() const;
  /// Accepts a comma list of level names in any order; throws std::invalid_argument naming the bad or doubled word.
  static Levels parse(std::string_view list);
};

/// Storage of floating-point payloads.
enum class FloatType : std::uint8_t { f16, f32 };
std::string_view to_string(FloatType type);  ///< "f16" | "f32"
/// Throws std::invalid_argument for anything but "f16" or "f32".
FloatType parse_float_type(std::string_view word);
constexpr std::size_t byte_size(FloatType type) {
  return type == FloatType::f16 ? 2 : 4;
}

/// Why the writer stopped; stored in /status/stop_reason.
enum class StopReason : std::uint8_t {
  running = 0,       ///< not finished: the writer is alive or was killed
  end_token = 1,     ///< the model produced an end-of-turn or end-of-sequence token
  token_limit = 2,   ///< -n was reached
  continuation = 3,  ///< the text of --continue-from ended
  context_full = 4,  ///< the model's context length was reached
  interrupted = 5,   ///< SIGINT or SIGTERM
  failed = 6,        ///< an error ended the run; rows up to the last flush are good
};
std::string_view to_string(StopReason reason);

/// Root attributes of a trace: what was run, written before the first step. Strings are at most 64 KiB.
struct TraceInfo {
  std::int32_t format_version = kFormatVersion;
  std::string program_version, program_commit, command_line;
  std::string model_name, architecture;
  std::string model_sha256, tokenizer_sha256;  ///< 64 lower-case hex digits
  ModelShape shape;
  std::uint32_t vocab_size = 0;
  double rope_theta = 0;
  std::string rope_layout;          ///< "half" | "interleaved"
  std::string rope_scaling = "{}";  ///< JSON object
  std::uint32_t n_prompt = 0;       ///< prompt tokens P0; positions 0..P0-1
  std::string prompt_sha256;        ///< of the prompt's ids as little-endian int32
  std::uint32_t first_row = 0;      ///< max(0, n_prompt - prompt_window): first position with stats and attention
  std::uint32_t prompt_window = kPromptWindow;
  std::string compute_dtype;             ///< e.g. "f32"
  FloatType qkv_dtype = FloatType::f16;  ///< what attention used, hence what /qkv holds
  FloatType attention_dtype = FloatType::f16;
  std::string device;            ///< e.g. "cpu"
  std::string attention_kernel;  ///< e.g. "cpu-avx512"
  std::string sampling = "{}";   ///< JSON object: mode, temperature, top_p, ignore_eos, continuation hash
  std::uint64_t seed = 0;
  /// JSON object: program and files a trace was imported from; empty, and not stored, when kvwave recorded it itself.
  std::string imported;
  Levels levels;
  double epsilon = kDefaultEpsilon;
  std::vector<double> rho = kDefaultRho;  ///< attribute of /stats/demand and /stats/layer_demand, ascending, in (0, 1]
};

}  // namespace kvwave::traces
