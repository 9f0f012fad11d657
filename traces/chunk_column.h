// Private to traces/: a growing dataset that is written chunk by chunk, past HDF5's chunk cache and filters. Holds one
// block of rows in memory. The rule that keeps a crash-safe file from growing is in FORMAT.md, "Flushing":
// a filtered chunk that a flush finds half full goes to the file unfiltered and stays so, because rewriting it at the
// same size happens in place, while another size would move it and leak the old place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "traces/chunk_codec.h"
#include "traces/dataset_table.h"
#include "traces/hdf5_handle.h"

namespace kvwave::traces {

class ChunkColumn {
 public:
  /// Creates the dataset (and its group) with its attributes. The encoder is shared by all columns of a file.
  ChunkColumn(hid_t file, DatasetSpec spec, ChunkEncoder& encoder);

  const DatasetSpec& spec() const { return spec_; }
  hid_t dataset() const { return dataset_.get(); }
  std::uint64_t rows() const { return rows_; }

  /// Gives the dataset up without closing it, after a write failed.
  void abandon() { dataset_.abandon(); }

  /// Adds `count` rows, each of spec().row_bytes() bytes; whole chunks go to the file at once.
  void append(const void* data, std::uint64_t count = 1);
  /// Adds one row of fill values; a chunk of nothing else is never written and takes no space.
  void append_fill();
  /// Adds fill rows up to the next chunk boundary.
  void pad_to_chunk();
  /// Puts a half-full chunk into the file, so that all rows so far are there.
  void write_partial();

 private:
  std::uint64_t rows_in_block() const { return rows_ % spec_.chunk_rows; }
  void copy_rows(const std::uint8_t* data, std::uint64_t first, std::uint64_t count);
  void write_block(bool whole);
  void set_extent(std::uint64_t rows);
  void clear_block();

  DatasetSpec spec_;
  DatasetHandle dataset_;
  ChunkEncoder* encoder_;
  std::uint64_t rows_ = 0;
  std::uint64_t extent_ = 0;         ///< rows the file's dataspace shows
  bool has_data_ = false;            ///< the block holds a row that is not fill
  bool dirty_ = false;               ///< the block holds rows the file has not
  bool unfiltered_ = false;          ///< the block stands in the file unfiltered already
  std::vector<std::uint8_t> block_;  ///< [columns][chunk_rows][row bytes of one column]
};

}  // namespace kvwave::traces
