// Reads a trace, finished, growing or left by a killed writer. Nothing is trusted: every extent is checked against the
// others and against the file before memory is taken. Not thread-safe; open one reader per thread or lock outside. A
// growing file can be followed from other processes, not from the one that writes it (HDF5 shares its state there).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "traces/schema.h"

namespace kvwave::traces {

/// One stored attention row of one (layer, q_head): ascending positions with their probabilities, and the mass that
/// was not stored. For every set S: sum of stored in S <= mass(S) <= that + residual.
struct AttentionRow {
  std::span<const std::uint32_t> position;
  std::span<const float> prob;  ///< stored value, widened exactly
  float residual = 1.0F;
};

/// All (layer, q_head) rows of one position; owns its storage and is reused between reads.
class AttentionRows {
 public:
  AttentionRow row(std::uint32_t layer, std::uint32_t q_head) const;

 private:
  friend class TraceReader;
  std::uint32_t n_q_heads_ = 0;
  std::vector<std::uint64_t> start_;  // (n_layers * n_q_heads + 1)
  std::vector<float> residual_;       // (n_layers, n_q_heads)
  std::vector<std::uint32_t> position_;
  std::vector<float> prob_;
};

enum class RowScalar { entropy, sink_mass, recent_mass, max_prob };

struct ReaderOptions {
  /// How long to retry while a file that is being written shows an index in the middle of a change. A damaged file that
  /// claims to be growing costs this long before it is refused.
  std::chrono::milliseconds patience{1000};
};

/// State of the writer as the file tells it.
struct TraceStatus {
  std::uint64_t nan_count = 0, stall_count = 0;
  bool complete = false;
  StopReason stop_reason = StopReason::running;
};

class TraceReader {
 public:
  /// Opens read-only; a file whose writer is alive or was killed is opened for SWMR reading. Throws NotATrace,
  /// TruncatedTrace, NewerVersion, WrongShape, CorruptTrace.
  explicit TraceReader(const std::filesystem::path& path, const ReaderOptions& options = {});
  ~TraceReader();
  TraceReader(TraceReader&&) noexcept;
  TraceReader& operator=(TraceReader&&) noexcept;

  const std::filesystem::path& path() const;
  const TraceInfo& info() const;
  const ModelShape& shape() const { return info().shape; }
  TraceStatus status() const;
  bool swmr() const;  ///< true when opened as a file still being written (or left so)

  /// Valid positions: the largest count for which every dataset holds the row, its entries included.
  std::uint32_t n_positions() const;
  std::uint32_t n_steps() const;  ///< decode steps = n_positions - n_prompt, at least 0
  /// Looks for new rows of a growing file; true when n_positions changed.
  bool refresh();

  /// Throws MissingLevel ("... was recorded without LEVEL; record it with --levels ...").
  void require(const Levels& levels) const;

  // Positions [begin, end) with end <= n_positions(); std::out_of_range otherwise. Output sizes must match exactly.
  void token_ids(std::uint32_t begin, std::uint32_t end, std::span<std::int32_t> out) const;
  void token_logprobs(std::uint32_t begin, std::uint32_t end, std::span<float> out) const;
  std::vector<std::string> token_bytes(std::uint32_t begin, std::uint32_t end) const;
  void layer_demand(std::uint32_t begin, std::uint32_t end, std::span<float> out) const;    ///< [n, L, n_rho]
  void demand(std::uint32_t begin, std::uint32_t end, std::span<std::uint32_t> out) const;  ///< [n, L, Hq, n_rho]
  void row_scalar(RowScalar which, std::uint32_t begin, std::uint32_t end, std::span<float> out) const;  ///< [n, L, Hq]
  void attention(std::uint32_t position, AttentionRows& out) const;

  // One layer of q, k or v for positions [begin, end), widened to fp32 exactly.
  void q(std::uint32_t layer, std::uint32_t begin, std::uint32_t end, std::span<float> out) const;  ///< [n, Hq, d]
  void k(std::uint32_t layer, std::uint32_t begin, std::uint32_t end, std::span<float> out) const;  ///< [n, Hkv, d]
  void v(std::uint32_t layer, std::uint32_t begin, std::uint32_t end, std::span<float> out) const;  ///< [n, Hkv, d]

  /// Hash over datasets and the attributes that describe the run: not times, paths, versions. 64 hex digits.
  /// Equal for two recordings with the same inputs, whatever the machine's file layout.
  std::string content_sha256() const;

  /// Bytes on disk per level, and rows, for `kvwave info`.
  struct LevelUse {
    std::string level;
    std::uint64_t stored_bytes = 0;
  };
  std::vector<LevelUse> level_use() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kvwave::traces
