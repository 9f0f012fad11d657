#include "traces/column_reader.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "traces/error.h"

namespace kvwave::traces {
namespace {

constexpr std::uint64_t kMostChunkBytes = std::uint64_t{256} << 20;

/// Only objects inside this file are followed: links to other files could make a trace read anything.
void require_hard_links(hid_t file, const std::string& name, const std::filesystem::path& path) {
  for (std::size_t end = name.find('/', 1);; end = name.find('/', end + 1)) {
    const std::string part = name.substr(0, end);
    H5L_info_t link{};
    if (H5Lexists(file, part.c_str(), H5P_DEFAULT) <= 0) {
      throw WrongShape(fmt::format("{}: {} is absent, though attribute levels promises it", path.string(), part));
    }
    check_hdf5(H5Lget_info(file, part.c_str(), &link, H5P_DEFAULT));
    if (link.type != H5L_TYPE_HARD) {
      throw WrongShape(fmt::format("{}: {} is a link elsewhere, expected an object of this file", path.string(), part));
    }
    if (end == std::string::npos) return;
  }
}

}  // namespace

ColumnReader::ColumnReader(hid_t file, DatasetSpec spec, const std::filesystem::path& path, ChunkDecoder& decoder)
    : spec_(std::move(spec)), path_(&path), decoder_(&decoder) {
  require_hard_links(file, spec_.name, path);
  dataset_ = DatasetHandle(H5Dopen2(file, spec_.name, H5P_DEFAULT));
  type_ = file_type(spec_.type);
  check_shape();
  check_storage();
}

void ColumnReader::check_shape() {
  const TypeHandle actual_type(H5Dget_type(dataset_.get()));
  if (check_hdf5(H5Tequal(actual_type.get(), type_.get())) == 0) {
    fail_shape(std::string(to_string(spec_.type)), "another type");
  }
  const SpaceHandle space(H5Dget_space(dataset_.get()));
  const int rank = H5Sget_simple_extent_ndims(space.get());
  const std::size_t expected_rank = spec_.inner.size() + 1;
  if (rank < 0 || static_cast<std::size_t>(rank) != expected_rank) {
    fail_shape(fmt::format("{} dimensions", expected_rank), fmt::format("{}", rank));
  }
  std::vector<hsize_t> extents(expected_rank);
  check_hdf5(H5Sget_simple_extent_dims(space.get(), extents.data(), nullptr));
  if (!std::equal(spec_.inner.begin(), spec_.inner.end(), extents.begin() + 1)) {
    fail_shape(fmt::format("[rows, {}]", fmt::join(spec_.inner, ", ")), fmt::format("[{}]", fmt::join(extents, ", ")));
  }
  rows_ = extents[0];
}

void ColumnReader::check_storage() {
  const PropertyHandle creation(H5Dget_create_plist(dataset_.get()));
  const H5D_layout_t layout = H5Pget_layout(creation.get());
  chunked_ = layout == H5D_CHUNKED;
  const bool inside = layout == H5D_CONTIGUOUS && H5Pget_external_count(creation.get()) == 0;
  if (!chunked_ && !inside) fail_shape("chunked or contiguous storage in this file", "another storage");
  if (!chunked_) return;
  std::vector<hsize_t> chunk(spec_.inner.size() + 1);
  check_hdf5(H5Pget_chunk(creation.get(), static_cast<int>(chunk.size()), chunk.data()));
  std::uint64_t bytes = byte_size(spec_.type);
  for (const hsize_t extent : chunk) {
    if (extent == 0 || extent > kMostChunkBytes / bytes) {
      fail_shape(fmt::format("chunks of at most {} bytes", kMostChunkBytes),
                 fmt::format("[{}]", fmt::join(chunk, ", ")));
    }
    bytes *= extent;
  }
  chunk_rows_ = chunk[0];
  const int filters = H5Pget_nfilters(creation.get());
  std::array<H5Z_filter_t, 2> ids{};
  for (int i = 0; i < filters && i < 2; ++i) {
    std::size_t n_values = 0;
    unsigned flags = 0;
    ids[static_cast<std::size_t>(i)] = check_hdf5(
        H5Pget_filter2(creation.get(), static_cast<unsigned>(i), &flags, &n_values, nullptr, 0, nullptr, nullptr));
  }
  const bool whole_rows = std::equal(spec_.inner.begin(), spec_.inner.end(), chunk.begin() + 1);
  own_filters_ = filters == 2 && ids[0] == H5Z_FILTER_SHUFFLE && ids[1] == H5Z_FILTER_DEFLATE && whole_rows;
  if (filters != 0 && !own_filters_) fail_shape("shuffle + deflate on whole rows, or no filter", "other filters");
}

std::uint64_t ColumnReader::stored_bytes() const {
  return H5Dget_storage_size(dataset_.get());
}

void ColumnReader::refresh() {
  check_hdf5(H5Drefresh(dataset_.get()));
  check_shape();
  chunk_first_row_ = UINT64_MAX;  // a half-full chunk may have gained rows
}

bool ColumnReader::holds(std::uint64_t row, std::uint64_t file_bytes) const {
  if (!chunked_) return true;
  std::vector<hsize_t> offset(spec_.inner.size() + 1, 0);
  offset[0] = chunk_begin(row);
  for (std::uint64_t column = 0; column < spec_.columns(); ++column) {
    if (spec_.split_layers) offset[1] = column;
    hsize_t bytes = 0;
    if (H5Dget_chunk_storage_size(dataset_.get(), offset.data(), &bytes) < 0 || bytes == 0) return false;
    if (file_bytes == 0) continue;
    unsigned mask = 0;
    haddr_t address = 0;
    // Looks through all chunks one by one: affordable for the few calls that a short file needs.
    check_hdf5(H5Dget_chunk_info_by_coord(dataset_.get(), offset.data(), &mask, &address, &bytes));
    if (address > file_bytes || bytes > file_bytes - address) return false;
  }
  return true;
}

void ColumnReader::read(std::uint64_t begin, std::uint64_t end, void* out) {
  if (begin == end) return;
  if (own_filters_) return read_filtered(begin, end, static_cast<std::uint8_t*>(out));
  std::vector<hsize_t> start(spec_.inner.size() + 1, 0);
  std::vector<hsize_t> count = {end - begin};
  start[0] = begin;
  count.insert(count.end(), spec_.inner.begin(), spec_.inner.end());
  read_slab(start, count, out);
}

void ColumnReader::read_layer(std::uint32_t layer, std::uint64_t begin, std::uint64_t end, void* out) {
  if (begin == end) return;
  std::vector<hsize_t> start(spec_.inner.size() + 1, 0);
  std::vector<hsize_t> count = {end - begin};
  start[0] = begin;
  start[1] = layer;
  count.insert(count.end(), spec_.inner.begin(), spec_.inner.end());
  count[1] = 1;
  read_slab(start, count, out);
}

void ColumnReader::read_filtered(std::uint64_t begin, std::uint64_t end, std::uint8_t* out) {
  const std::uint64_t row_bytes = spec_.row_bytes();
  while (begin < end) {
    const std::uint64_t first = chunk_begin(begin);
    load_chunk(first);
    const std::uint64_t taken = std::min(end, first + chunk_rows_) - begin;
    std::memcpy(out, chunk_.data() + (begin - first) * row_bytes, taken * row_bytes);
    out += taken * row_bytes;
    begin += taken;
  }
}

void ColumnReader::load_chunk(std::uint64_t first_row) {
  if (chunk_first_row_ == first_row) return;
  chunk_first_row_ = UINT64_MAX;
  const std::uint64_t chunk_bytes = chunk_rows_ * spec_.row_bytes();
  chunk_.resize(chunk_bytes);
  std::vector<hsize_t> offset(spec_.inner.size() + 1, 0);
  offset[0] = first_row;
  hsize_t bytes = 0;
  if (H5Dget_chunk_storage_size(dataset_.get(), offset.data(), &bytes) < 0 || bytes == 0) {
    const std::vector<std::uint8_t> fill = spec_.fill_bytes();
    for (std::size_t i = 0; i < chunk_.size(); ++i) chunk_[i] = fill[i % fill.size()];
  } else {
    const auto corrupt = [&] {
      throw CorruptTrace(
          fmt::format("{}: {}: the chunk at row {} cannot be decoded", path_->string(), spec_.name, first_row));
    };
    if (bytes > chunk_bytes + chunk_bytes / 1000 + 64) corrupt();  // more than deflate ever adds
    stored_.resize(bytes);
    std::uint32_t skipped = 0;
    check_hdf5(H5Dread_chunk(dataset_.get(), H5P_DEFAULT, offset.data(), &skipped, stored_.data()));
    if (skipped == 3 && bytes == chunk_bytes) {
      std::copy(stored_.begin(), stored_.end(), chunk_.begin());
    } else if (skipped != 0 || !decoder_->decode(stored_, byte_size(spec_.type), chunk_)) {
      corrupt();
    }
  }
  chunk_first_row_ = first_row;
}

void ColumnReader::read_slab(const std::vector<hsize_t>& start, const std::vector<hsize_t>& count, void* out) const {
  const SpaceHandle file_space(H5Dget_space(dataset_.get()));
  check_hdf5(H5Sselect_hyperslab(file_space.get(), H5S_SELECT_SET, start.data(), nullptr, count.data(), nullptr));
  const SpaceHandle memory_space(H5Screate_simple(static_cast<int>(count.size()), count.data(), nullptr));
  check_hdf5(H5Dread(dataset_.get(), type_.get(), memory_space.get(), file_space.get(), H5P_DEFAULT, out));
}

void ColumnReader::fail_shape(const std::string& expected, const std::string& actual) const {
  throw WrongShape(fmt::format("{}: {}: expected {}, found {}", path_->string(), spec_.name, expected, actual));
}

}  // namespace kvwave::traces
