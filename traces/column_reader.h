// Private to traces/: reads rows of one dataset after checking that it has the rank, extents, type and storage that
// format 1 says. Filtered chunks are decoded here, so that no number of the file decides how much memory is taken.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "traces/chunk_codec.h"
#include "traces/dataset_table.h"
#include "traces/hdf5_handle.h"

namespace kvwave::traces {

class ColumnReader {
 public:
  /// Throws WrongShape naming the dataset, expected and actual; Hdf5Failure when HDF5 cannot open it.
  ColumnReader(hid_t file, DatasetSpec spec, const std::filesystem::path& path, ChunkDecoder& decoder);

  const DatasetSpec& spec() const { return spec_; }
  hid_t dataset() const { return dataset_.get(); }
  std::uint64_t rows() const { return rows_; }  ///< extent of the first dimension
  std::uint64_t stored_bytes() const;

  /// Looks at a growing dataset again.
  void refresh();
  /// Whether the chunks that hold `row` are in the file (they are not for rows of nothing but fill values), and where
  /// `file_bytes` is not 0, whether they end within it.
  bool holds(std::uint64_t row, std::uint64_t file_bytes) const;
  /// First row of the chunk of `row`.
  std::uint64_t chunk_begin(std::uint64_t row) const { return row - row % chunk_rows_; }

  /// Whole rows [begin, end), (end - begin) * row_bytes() bytes.
  void read(std::uint64_t begin, std::uint64_t end, void* out);
  /// One layer (dimension 1) of rows [begin, end).
  void read_layer(std::uint32_t layer, std::uint64_t begin, std::uint64_t end, void* out);

 private:
  void check_shape();
  void check_storage();
  void read_filtered(std::uint64_t begin, std::uint64_t end, std::uint8_t* out);
  void load_chunk(std::uint64_t first_row);
  void read_slab(const std::vector<hsize_t>& start, const std::vector<hsize_t>& count, void* out) const;
  [[noreturn]] void fail_shape(const std::string& expected, const std::string& actual) const;

  DatasetSpec spec_;
  const std::filesystem::path* path_;
  ChunkDecoder* decoder_;
  DatasetHandle dataset_;
  TypeHandle type_;
  std::uint64_t rows_ = 0;
  std::uint64_t chunk_rows_ = 1;
  bool chunked_ = false;
  bool own_filters_ = false;  ///< whole-row chunks with shuffle + deflate, as our writer makes them
  std::vector<std::uint8_t> chunk_, stored_;
  std::uint64_t chunk_first_row_ = UINT64_MAX;  ///< first row of the decoded chunk in chunk_
};

}  // namespace kvwave::traces
