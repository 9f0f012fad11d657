// Writes a trace while a model decodes: one row per position, in order. HDF5, compression and flushing happen on the
// writer's own thread; memory is bounded by a fixed pool of rows and by chunk buffers, whatever the length.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "traces/schema.h"

namespace kvwave::traces {

/// Everything one position adds to a trace. The caller fills a row that acquire() lent; vectors keep their capacity
/// when rows are reused. Vectors of levels that are off stay empty. For positions below first_row the stats and
/// attention vectors stay empty too (fill values are written: demand 0, count 0, residual 1).
struct TraceRow {
  std::uint32_t position = 0;
  // tokens
  std::int32_t token_id = 0;
  float logprob = 0;        ///< natural logarithm; NaN for prompt tokens
  std::string token_bytes;  ///< raw bytes of the piece, not necessarily valid UTF-8 by itself
  // stats, layer-major then q_head
  std::vector<std::uint32_t> demand;  ///< [L, Hq, n_rho]
  std::vector<float> entropy;         ///< [L, Hq] nats
  std::vector<float> sink_mass;       ///< [L, Hq]
  std::vector<float> recent_mass;     ///< [L, Hq]
  std::vector<float> max_prob;        ///< [L, Hq]
  // attention
  std::vector<std::uint32_t> attention_count;     ///< [L, Hq] entries of that row
  std::vector<float> attention_residual;          ///< [L, Hq] mass not stored, rounded up
  std::vector<std::uint32_t> attention_position;  ///< [sum of counts] ascending within each (layer, q_head)
  std::vector<std::byte> attention_prob;          ///< [sum of counts] in attention_dtype, rounded toward zero
  // qkv, in qkv_dtype, post-RoPE q and k
  std::vector<std::byte> q;  ///< [L, Hq, d]
  std::vector<std::byte> k;  ///< [L, Hkv, d]
  std::vector<std::byte> v;  ///< [L, Hkv, d]

  std::uint32_t nan_count = 0;  ///< non-finite values met while computing this row
};

struct WriterOptions {
  bool overwrite = false;  ///< replace an existing file
  /// Rows in flight at most; acquire() waits when all are (a counted stall). Fewer when rows are large: the pool keeps
  /// to 12 MiB, or to 4 rows where those take more.
  unsigned pool_rows = 96;
  double flush_seconds = 0.5;  ///< rows become durable to a killed process at least this often
  bool sync_on_finish = true;  ///< fdatasync once when finished
};

/// What the writer has done so far; safe to read from any thread.
struct WriterProgress {
  std::uint64_t rows_submitted = 0;
  std::uint64_t rows_flushed = 0;  ///< a kill -9 now leaves at least these readable
  std::uint64_t bytes = 0;         ///< file size so far
  std::uint64_t stalls = 0;        ///< times decoding had to wait: in acquire(), or as count_stall() was told
};

class TraceWriter {
 public:
  /// Creates `path` with every group, dataset and attribute and switches to SWMR. Throws OutputExists or OutputFailed.
  TraceWriter(const std::filesystem::path& path, const TraceInfo& info, const WriterOptions& options = {});
  /// Without finish(): stops the thread, flushes what it can and leaves complete = 0, stop_reason failed.
  ~TraceWriter();
  TraceWriter(const TraceWriter&) = delete;
  TraceWriter& operator=(const TraceWriter&) = delete;

  /// An empty row to fill. Waits while all pool rows are in flight. Rethrows an error of the writer thread (disk full).
  std::unique_ptr<TraceRow> acquire();
  /// Whether acquire() would not wait now.
  bool has_room() const;
  /// The same as acquire(), for a caller that counts its stalls itself.
  std::unique_ptr<TraceRow> acquire_uncounted();
  /// Decoding had to wait for its recording elsewhere: counted in /status/stall_count.
  void count_stall();
  /// Hands a filled row over; rows must come with position 0, 1, 2, ... Throws WrongShape when a vector's size is off.
  void submit(std::unique_ptr<TraceRow> row);
  /// Writes and flushes all rows, sets /status, closes the file cleanly. Throws what the writer thread met.
  void finish(StopReason reason);

  WriterProgress progress() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// Bytes that `positions` positions add per level, an estimate before anything is recorded (attention assumes
/// `kept_share` of a row is stored). Used for the disk check and by `kvwave info MODEL`.
struct LevelBytes {
  std::uint64_t tokens = 0, stats = 0, attention = 0, qkv = 0;
  std::uint64_t total() const { return tokens + stats + attention + qkv; }
};
LevelBytes estimate_bytes(const TraceInfo& info, std::uint64_t positions, double kept_share = 0.35);

}  // namespace kvwave::traces
