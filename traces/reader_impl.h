// Private to traces/: what a TraceReader holds.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "traces/column_reader.h"
#include "traces/half_float.h"
#include "traces/reader.h"
#include "traces/trace_open.h"

namespace kvwave::traces {

class TraceReader::Impl {
 public:
  Impl(std::filesystem::path path, const ReaderOptions& options);

  void open();
  void refresh_columns();
  void count_positions();
  /// The dataset, or MissingLevel naming the level that holds it.
  ColumnReader& column(Column which);
  bool has(Column which) const { return columns_[static_cast<std::size_t>(which)].has_value(); }
  void require(const Levels& levels) const;
  /// Throws std::out_of_range unless begin <= end <= n_positions, std::invalid_argument unless sizes agree.
  void check_range(std::uint64_t begin, std::uint64_t end, std::uint64_t row_elements, std::uint64_t given) const;
  /// Entries of row `position` of /attention: count per (layer, q_head) in `counts`, total returned; bounds checked.
  std::uint64_t entry_counts(std::uint32_t position, std::vector<std::uint32_t>& counts);
  std::uint64_t row_start(std::uint32_t position);
  std::uint64_t byte_end(std::uint32_t position);
  /// Reads a float32 column whole rows at a time and refuses values that are not finite.
  void read_finite(Column which, std::uint64_t begin, std::uint64_t end, std::span<float> out);
  /// The same for one layer of q, k or v.
  void read_vectors(Column which, std::uint32_t layer, std::uint64_t begin, std::uint64_t end, std::span<float> out);
  /// Fills `out` by `read(place)`, widening when the column holds halves.
  template <class Read>
  void read_floats(const ColumnReader& from, std::span<float> out, Read&& read) {
    if (from.spec().type == ElementType::f32) return read(out.data());
    halves_.resize(out.size());
    read(halves_.data());
    widen_halves(halves_.data(), out.size(), out.data());
  }
  /// Runs a read; an HDF5 failure becomes TruncatedTrace.
  template <class Read>
  auto guarded(Read&& read) {
    prepare_hdf5();
    try {
      return read();
    } catch (const Hdf5Failure& failure) {
      fail_read(failure);
    }
  }

  std::filesystem::path path_;
  ReaderOptions options_;
  OpenedFile opened_;
  TraceInfo info_;
  ChunkDecoder decoder_;
  std::array<std::optional<ColumnReader>, kColumnCount> columns_;
  std::array<DatasetHandle, 4> status_;  ///< nan_count, stall_count, complete, stop_reason
  std::uint32_t n_positions_ = 0;
  std::vector<std::uint16_t> halves_;  ///< reused between reads

 private:
  void check_finite(std::string_view name, std::uint64_t begin, std::uint64_t row_elements,
                    std::span<const float> values) const;
  void open_status();
  std::uint64_t bounded_extent() const;
  std::uint64_t trim_unwritten(ColumnReader& column, std::uint64_t rows) const;
  [[noreturn]] void fail_read(const Hdf5Failure& failure) const;
};

}  // namespace kvwave::traces
