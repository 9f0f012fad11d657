#include "traces/chunk_column.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "traces/trace_attributes.h"

namespace kvwave::traces {
namespace {

constexpr std::uint32_t kSkipFilters = 0x3;  ///< filter mask: neither shuffle nor deflate was applied
constexpr unsigned kDeflateLevel = 1;        ///< what the file names; our own encoder does the work

PropertyHandle creation_properties(const DatasetSpec& spec) {
  PropertyHandle properties(H5Pcreate(H5P_DATASET_CREATE));
  std::vector<hsize_t> chunk = {spec.chunk_rows};
  chunk.insert(chunk.end(), spec.inner.begin(), spec.inner.end());
  if (spec.split_layers) chunk[1] = 1;
  check_hdf5(H5Pset_chunk(properties.get(), static_cast<int>(chunk.size()), chunk.data()));
  if (spec.filtered) {
    check_hdf5(H5Pset_shuffle(properties.get()));
    check_hdf5(H5Pset_deflate(properties.get(), kDeflateLevel));
  }
  const TypeHandle type = file_type(spec.type);
  const std::vector<std::uint8_t> fill = spec.fill_bytes();
  check_hdf5(H5Pset_fill_value(properties.get(), type.get(), fill.data()));
  check_hdf5(H5Pset_obj_track_times(properties.get(), false));
  return properties;
}

/// Dimension names the way HDF5's dimension scale convention stores them, as h5py shows in `dataset.dims[i].label`.
void write_dimension_labels(hid_t dataset, const std::vector<const char*>& labels) {
  TypeHandle type(H5Tcopy(H5T_C_S1));
  check_hdf5(H5Tset_size(type.get(), H5T_VARIABLE));
  const hsize_t count = labels.size();
  const SpaceHandle space(H5Screate_simple(1, &count, nullptr));
  const AttributeHandle attribute(
      H5Acreate2(dataset, "DIMENSION_LABELS", type.get(), space.get(), H5P_DEFAULT, H5P_DEFAULT));
  check_hdf5(H5Awrite(attribute.get(), type.get(), labels.data()));
}

}  // namespace

ChunkColumn::ChunkColumn(hid_t file, DatasetSpec spec, ChunkEncoder& encoder)
    : spec_(std::move(spec)), encoder_(&encoder), block_(spec_.chunk_bytes() * spec_.columns()) {
  std::vector<hsize_t> extents = {0};
  extents.insert(extents.end(), spec_.inner.begin(), spec_.inner.end());
  std::vector<hsize_t> most = extents;
  most[0] = H5S_UNLIMITED;
  const SpaceHandle space(H5Screate_simple(static_cast<int>(extents.size()), extents.data(), most.data()));
  const PropertyHandle creation = creation_properties(spec_);
  const PropertyHandle access(H5Pcreate(H5P_DATASET_ACCESS));
  check_hdf5(H5Pset_chunk_cache(access.get(), 0, 0, 0));  // chunks are written directly
  const TypeHandle type = file_type(spec_.type);
  dataset_ =
      DatasetHandle(H5Dcreate2(file, spec_.name, type.get(), space.get(), H5P_DEFAULT, creation.get(), access.get()));
  write_text_attribute(dataset_.get(), "unit", spec_.unit);
  write_dimension_labels(dataset_.get(), spec_.dimensions);
  clear_block();
}

void ChunkColumn::append(const void* data, std::uint64_t count) {
  const auto* bytes = static_cast<const std::uint8_t*>(data);
  while (count != 0) {
    const std::uint64_t taken = std::min(count, spec_.chunk_rows - rows_in_block());
    copy_rows(bytes, rows_in_block(), taken);
    has_data_ = dirty_ = true;
    rows_ += taken;
    bytes += taken * spec_.row_bytes();
    count -= taken;
    if (rows_in_block() == 0) write_block(true);
  }
}

void ChunkColumn::append_fill() {
  ++rows_;  // the block holds fill values wherever no row was copied
  dirty_ = true;
  if (rows_in_block() == 0) write_block(true);
}

void ChunkColumn::pad_to_chunk() {
  if (rows_in_block() == 0) return;
  rows_ += spec_.chunk_rows - rows_in_block();
  write_block(true);
}

void ChunkColumn::write_partial() {
  if (dirty_ && rows_in_block() != 0) write_block(false);
}

void ChunkColumn::copy_rows(const std::uint8_t* data, std::uint64_t first, std::uint64_t count) {
  const std::uint64_t columns = spec_.columns();
  const std::uint64_t piece = spec_.row_bytes() / columns;
  if (columns == 1) {
    std::memcpy(block_.data() + first * piece, data, count * piece);
    return;
  }
  for (std::uint64_t row = 0; row < count; ++row) {
    for (std::uint64_t column = 0; column < columns; ++column) {
      std::memcpy(block_.data() + column * spec_.chunk_bytes() + (first + row) * piece, data, piece);
      data += piece;
    }
  }
}

void ChunkColumn::write_block(bool whole) {
  const std::uint64_t first_row = (rows_ - 1) / spec_.chunk_rows * spec_.chunk_rows;
  if (has_data_) {
    const bool raw = !spec_.filtered || !whole || unfiltered_;
    // A new chunk must lie inside the extent before it can be written; one that is there is rewritten before the
    // extent promises its new rows, so that a crash in between promises too little rather than too much.
    if (extent_ <= first_row) set_extent(rows_);
    for (std::uint64_t column = 0; column < spec_.columns(); ++column) {
      std::vector<hsize_t> offset(spec_.inner.size() + 1, 0);
      offset[0] = first_row;
      if (spec_.split_layers) offset[1] = column;
      const std::span<const std::uint8_t> chunk(block_.data() + column * spec_.chunk_bytes(), spec_.chunk_bytes());
      std::span<const std::uint8_t> stored;
      if (!raw) stored = encoder_->encode(chunk, byte_size(spec_.type));
      const std::uint32_t mask = spec_.filtered && stored.empty() ? kSkipFilters : 0;
      if (stored.empty()) stored = chunk;
      check_hdf5(H5Dwrite_chunk(dataset_.get(), H5P_DEFAULT, mask, offset.data(), stored.size(), stored.data()));
    }
    unfiltered_ = raw;
  }
  set_extent(rows_);
  dirty_ = false;
  if (whole) clear_block();
}

void ChunkColumn::set_extent(std::uint64_t rows) {
  if (extent_ == rows) return;
  std::vector<hsize_t> extents = {rows};
  extents.insert(extents.end(), spec_.inner.begin(), spec_.inner.end());
  check_hdf5(H5Dset_extent(dataset_.get(), extents.data()));
  extent_ = rows;
}

void ChunkColumn::clear_block() {
  has_data_ = unfiltered_ = false;
  const std::vector<std::uint8_t> fill = spec_.fill_bytes();
  if (std::all_of(fill.begin(), fill.end(), [](std::uint8_t byte) { return byte == 0; })) {
    std::fill(block_.begin(), block_.end(), std::uint8_t{0});
    return;
  }
  for (std::size_t i = 0; i < block_.size(); i += fill.size()) std::copy(fill.begin(), fill.end(), block_.begin() + i);
}

}  // namespace kvwave::traces
