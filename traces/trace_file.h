// Private to traces/: the HDF5 side of the writer, used by the writer thread alone. Creates everything first, then
// switches to SWMR; afterwards only rows are added and the four numbers of /status change.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

#include "traces/chunk_codec.h"
#include "traces/chunk_column.h"
#include "traces/hdf5_handle.h"
#include "traces/schema.h"
#include "traces/writer.h"

namespace kvwave::traces {

class TraceFile {
 public:
  /// Throws OutputExists, OutputFailed; leaves no file behind when it throws.
  TraceFile(const std::filesystem::path& path, const TraceInfo& info, bool overwrite);

  /// After a failure nothing more is written: HDF5 would leave a header that promises more than the disk took, and what
  /// the last flush left is good. The identifiers stay with the library until the process ends.
  ~TraceFile();
  TraceFile(const TraceFile&) = delete;
  TraceFile& operator=(const TraceFile&) = delete;

  // All of these throw OutputFailed; after that only the destructor may follow.
  void append(const TraceRow& row);
  /// Makes every appended row readable, also after a kill.
  void flush(std::uint64_t stall_count);
  /// Flushes, says why the run ended and closes.
  void close(std::uint64_t stall_count, StopReason reason, bool complete, bool sync);

  std::uint64_t bytes() const;
  /// True when all rows appended so far fill whole chunks of the filtered per-position datasets.
  bool on_chunk_boundary() const;

 private:
  void abandon();
  void create_datasets();
  void create_status();
  ChunkColumn* column(Column which) const { return columns_[static_cast<std::size_t>(which)].get(); }
  void append_attention(const TraceRow& row);
  void append_stats(const TraceRow& row);
  void write_status(const DatasetHandle& dataset, hid_t type, const void* value);
  [[noreturn]] void fail(const char* reason);

  std::filesystem::path path_;
  TraceInfo info_;
  bool failed_ = false;
  FileHandle file_;
  ChunkEncoder encoder_;
  std::vector<std::unique_ptr<ChunkColumn>> columns_;  ///< indexed by Column, null for levels that are off
  DatasetHandle nan_count_, stall_count_, complete_, stop_reason_;
  std::uint64_t nans_ = 0, byte_end_ = 0, stat_rows_ = 1, rows_ = 0;
  std::vector<float> layer_demand_;
};

}  // namespace kvwave::traces
