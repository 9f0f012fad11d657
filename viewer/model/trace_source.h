// One opened trace: what the first frame needs at once, the rest when asked for. Each lane is one background thread
// with a reader of its own, because readers are not thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "traces/reader.h"

namespace kvwave::viewer {

/// quick: what a cursor move asks for. slow: passes over the whole file.
enum class Lane : std::uint8_t { quick, slow };
inline constexpr std::size_t kLanes = 2;

/// What is known of a trace at one moment; immutable, replaced when a growing trace has new rows.
struct TraceSnapshot {
  std::filesystem::path path;
  traces::TraceInfo info;
  traces::TraceStatus status;
  bool growing = false;  ///< opened beside a writer, or left by a killed one, and not complete
  std::uint32_t n_positions = 0;
  std::uint64_t file_bytes = 0;
  std::vector<float> layer_demand;  ///< [n_rows, L, n_rho] from first_row on; empty without level stats

  std::uint32_t n_steps() const { return n_positions > info.n_prompt ? n_positions - info.n_prompt : 0; }
  std::uint32_t n_rows() const { return n_positions > info.first_row ? n_positions - info.first_row : 0; }
  std::size_t n_rho() const { return info.rho.size(); }
  std::string name() const { return path.filename().string(); }
  /// Mean demand over q_heads of one layer at a decode step; step < n_steps().
  float demand(std::uint32_t step, std::uint32_t layer, std::size_t rho) const {
    const std::size_t row = info.n_prompt - info.first_row + step;
    return layer_demand[(row * info.shape.n_layers + layer) * n_rho() + rho];
  }
};

/// The sequence's text, loaded once it is asked for.
struct TraceTokens {
  std::vector<std::int32_t> id;    ///< [P]
  std::vector<std::string> piece;  ///< [P] raw bytes
  std::vector<float> logprob;      ///< [P], NaN for the prompt
};

/// 1, 2, ... : never the same twice in one process.
std::uint64_t next_id();

class TraceSource {
 public:
  /// Opens the file and reads layer_demand, nothing else. Throws traces::Error.
  explicit TraceSource(const std::filesystem::path& path);

  /// Of this object alone, ever: what is kept for it is known by this, not by its address.
  std::uint64_t id() const { return id_; }
  std::shared_ptr<const TraceSnapshot> snapshot() const;
  /// True for a trace that was growing when it was opened: HDF5 shares its state between two readers of one process, so
  /// a file that changes has one reader, and everything that reads it must run on the quick lane.
  bool one_reader() const { return one_reader_; }
  /// Reader of a lane; only that lane's thread may use it. Throws traces::Error.
  const traces::TraceReader& reader(Lane lane);
  /// Looks for new rows of a growing trace, on the quick lane's thread; true when there are some or the state changed.
  bool follow();

 private:
  std::shared_ptr<const TraceSnapshot> read(const traces::TraceReader& reader, const traces::TraceStatus& status,
                                            const TraceSnapshot* before) const;

  std::filesystem::path path_;
  std::uint64_t id_;
  bool one_reader_ = false;
  mutable std::mutex mutex_;
  std::shared_ptr<const TraceSnapshot> snapshot_;
  std::array<std::unique_ptr<traces::TraceReader>, kLanes> readers_;
};

/// All tokens of a snapshot. Throws MissingLevel.
TraceTokens read_tokens(const traces::TraceReader& reader, std::uint32_t n_positions);

}  // namespace kvwave::viewer
