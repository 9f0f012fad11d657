#include "traces/reader.h"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "traces/deflate_limit.h"
#include "traces/error.h"
#include "traces/reader_impl.h"
#include "traces/trace_attributes.h"

namespace kvwave::traces {
namespace {

/// A killed writer can leave an extent ahead of its chunks by one block; more means the file was damaged.
constexpr int kMostBlocksBack = 4;

constexpr std::array<const char*, 4> kStatusNames = {"/status/nan_count", "/status/stall_count", "/status/complete",
                                                     "/status/stop_reason"};

}  // namespace

TraceReader::Impl::Impl(std::filesystem::path path, const ReaderOptions& options)
    : path_(std::move(path)), options_(options) {
  prepare_hdf5();
  // Only a file that claims to be growing can become readable by waiting.
  const bool growing = read_superblock(path_).writer_flag;
  try {
    with_patience(growing ? options_.patience : std::chrono::milliseconds(0), [this] { open(); });
  } catch (const Hdf5Failure& failure) {
    throw TruncatedTrace(fmt::format("{}: is damaged: {}", path_.string(), failure.what()));
  }
}

void TraceReader::Impl::open() {
  for (auto& column : columns_) column.reset();
  for (DatasetHandle& dataset : status_) dataset.close();
  opened_ = open_hdf5(path_);
  const hid_t file = opened_.file.get();
  info_ = read_root_attributes(file, path_);
  if (info_.levels.stats) {
    const char* name = "/stats/demand";
    if (H5Lexists(file, "/stats", H5P_DEFAULT) <= 0 || H5Lexists(file, name, H5P_DEFAULT) <= 0) {
      throw WrongShape(fmt::format("{}: {} is absent, though attribute levels promises it", path_.string(), name));
    }
    const DatasetHandle demand(H5Dopen2(file, name, H5P_DEFAULT));
    info_.rho = read_rho(demand.get(), path_);
  }
  for (DatasetSpec& spec : dataset_table(info_)) {
    const auto index = static_cast<std::size_t>(spec.column);
    columns_[index].emplace(file, std::move(spec), path_, decoder_);
  }
  open_status();
  count_positions();
}

void TraceReader::Impl::open_status() {
  for (std::size_t i = 0; i < status_.size(); ++i) {
    const hid_t file = opened_.file.get();
    const char* name = kStatusNames[i];
    if (H5Lexists(file, "/status", H5P_DEFAULT) <= 0 || H5Lexists(file, name, H5P_DEFAULT) <= 0) {
      throw WrongShape(fmt::format("{}: {} is absent, expected one integer", path_.string(), name));
    }
    status_[i] = DatasetHandle(H5Dopen2(file, name, H5P_DEFAULT));
    const TypeHandle type(H5Dget_type(status_[i].get()));
    const SpaceHandle space(H5Dget_space(status_[i].get()));
    if (H5Tget_class(type.get()) != H5T_INTEGER || H5Sget_simple_extent_npoints(space.get()) != 1) {
      throw WrongShape(fmt::format("{}: {} has another shape, expected one integer", path_.string(), name));
    }
  }
}

void TraceReader::Impl::refresh_columns() {
  for (auto& column : columns_) {
    if (column) column->refresh();
  }
  for (const DatasetHandle& dataset : status_) check_hdf5(H5Drefresh(dataset.get()));
  count_positions();
}

std::uint64_t TraceReader::Impl::bounded_extent() const {
  const std::uint64_t most = kMostPerByte * std::max<std::uint64_t>(1, std::filesystem::file_size(path_));
  std::uint64_t rows = std::numeric_limits<std::uint32_t>::max();
  for (const auto& column : columns_) {
    if (!column) continue;
    if (column->rows() > most) {
      throw CorruptTrace(fmt::format("{}: {} claims {} rows, more than a file of this size can hold", path_.string(),
                                     column->spec().name, column->rows()));
    }
    if (column->spec().extent == Extent::position) rows = std::min(rows, column->rows());
  }
  return rows;
}

std::uint64_t TraceReader::Impl::trim_unwritten(ColumnReader& column, std::uint64_t rows) const {
  const std::uint64_t first = column.spec().filtered ? info_.first_row : 0;
  for (int back = 0; rows > first && !column.holds(rows - 1, opened_.short_of); ++back) {
    if (back == kMostBlocksBack) {
      throw TruncatedTrace(fmt::format("{}: {} promises {} rows that are not in the file", path_.string(),
                                       column.spec().name, column.rows()));
    }
    rows = std::max(first, column.chunk_begin(rows - 1));
  }
  return rows;
}

void TraceReader::Impl::count_positions() {
  std::uint64_t rows = bounded_extent();
  for (auto& column : columns_) {
    if (column && column->spec().extent == Extent::position) rows = trim_unwritten(*column, rows);
  }
  // Both offsets grow with the position, so the last row whose bytes and entries are there is found by bisection.
  const auto last_good = [&rows](auto&& good) {
    std::uint64_t low = 0;
    if (rows == 0 || good(rows - 1)) return;
    while (low < rows) {
      const std::uint64_t middle = low + (rows - low) / 2;
      if (good(middle)) {
        low = middle + 1;
      } else {
        rows = middle;
      }
    }
  };
  if (info_.levels.tokens) {
    const ColumnReader& bytes = column(Column::token_bytes);
    last_good([&](std::uint64_t row) {
      const std::uint64_t end = byte_end(static_cast<std::uint32_t>(row));
      return end <= bytes.rows() && (end == 0 || bytes.holds(end - 1, opened_.short_of));
    });
  }
  if (info_.levels.attention) {
    const ColumnReader& positions = column(Column::attention_position);
    const ColumnReader& probs = column(Column::attention_prob);
    const std::uint64_t entries = std::min(positions.rows(), probs.rows());
    std::vector<std::uint32_t> counts;
    last_good([&](std::uint64_t row) {
      if (row < info_.first_row) return true;
      const auto position = static_cast<std::uint32_t>(row);
      const std::uint64_t start = row_start(position);
      const std::uint64_t count = entry_counts(position, counts);
      if (start > entries || count > entries - start) return false;
      return count == 0 ||
             (positions.holds(start + count - 1, opened_.short_of) && probs.holds(start + count - 1, opened_.short_of));
    });
  }
  n_positions_ = static_cast<std::uint32_t>(rows);
}

ColumnReader& TraceReader::Impl::column(Column which) {
  auto& column = columns_[static_cast<std::size_t>(which)];
  if (!column) {
    Levels needed{false, false, false, false};
    if (which >= Column::q) {
      needed.qkv = true;
    } else if (which >= Column::attention_count) {
      needed.attention = true;
    } else if (which >= Column::layer_demand) {
      needed.stats = true;
    } else {
      needed.tokens = true;
    }
    require(needed);
  }
  return *column;
}

void TraceReader::Impl::require(const Levels& levels) const {
  const Levels& held = info_.levels;
  const Levels missing{levels.tokens && !held.tokens, levels.stats && !held.stats, levels.attention && !held.attention,
                       levels.qkv && !held.qkv};
  if (missing == Levels{false, false, false, false}) return;
  const Levels together{held.tokens || levels.tokens, held.stats || levels.stats, held.attention || levels.attention,
                        held.qkv || levels.qkv};
  throw MissingLevel(fmt::format("{}: was recorded without {}; record it with --levels {}", path_.string(),
                                 missing.to_string(), together.to_string()));
}

void TraceReader::Impl::check_range(std::uint64_t begin, std::uint64_t end, std::uint64_t row_elements,
                                    std::uint64_t given) const {
  if (begin > end || end > n_positions_) {
    throw std::out_of_range(
        fmt::format("{}: positions [{}, {}) are outside [0, {})", path_.string(), begin, end, n_positions_));
  }
  if (given != (end - begin) * row_elements) {
    throw std::invalid_argument(
        fmt::format("{}: place for {} values given, {} needed", path_.string(), given, (end - begin) * row_elements));
  }
}

std::uint64_t TraceReader::Impl::byte_end(std::uint32_t position) {
  std::uint64_t end = 0;
  column(Column::token_byte_end).read(position, std::uint64_t{position} + 1, &end);
  return end;
}

std::uint64_t TraceReader::Impl::row_start(std::uint32_t position) {
  std::uint64_t start = 0;
  column(Column::attention_row_start).read(position, std::uint64_t{position} + 1, &start);
  return start;
}

std::uint64_t TraceReader::Impl::entry_counts(std::uint32_t position, std::vector<std::uint32_t>& counts) {
  counts.resize(std::size_t{info_.shape.n_layers} * info_.shape.n_q_heads);
  column(Column::attention_count).read(position, std::uint64_t{position} + 1, counts.data());
  std::uint64_t sum = 0;
  for (const std::uint32_t count : counts) {
    if (count > std::uint64_t{position} + 1) {
      throw CorruptTrace(fmt::format("{}: /attention/count is {} at position {}, more than the row has", path_.string(),
                                     count, position));
    }
    sum += count;
  }
  return sum;
}

void TraceReader::Impl::fail_read(const Hdf5Failure& failure) const {
  throw TruncatedTrace(fmt::format("{}: rows that it promises cannot be read: {}", path_.string(), failure.what()));
}

TraceReader::TraceReader(const std::filesystem::path& path, const ReaderOptions& options)
    : impl_(std::make_unique<Impl>(path, options)) {}
TraceReader::~TraceReader() = default;
TraceReader::TraceReader(TraceReader&&) noexcept = default;
TraceReader& TraceReader::operator=(TraceReader&&) noexcept = default;

const std::filesystem::path& TraceReader::path() const {
  return impl_->path_;
}
const TraceInfo& TraceReader::info() const {
  return impl_->info_;
}
bool TraceReader::swmr() const {
  return impl_->opened_.swmr;
}
std::uint32_t TraceReader::n_positions() const {
  return impl_->n_positions_;
}
std::uint32_t TraceReader::n_steps() const {
  return impl_->n_positions_ - std::min(impl_->n_positions_, impl_->info_.n_prompt);
}
void TraceReader::require(const Levels& levels) const {
  impl_->require(levels);
}

TraceStatus TraceReader::status() const {
  std::array<std::uint64_t, 4> values{};
  impl_->guarded([&] {
    for (std::size_t i = 0; i < values.size(); ++i) {
      check_hdf5(H5Dread(impl_->status_[i].get(), H5T_NATIVE_UINT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, &values[i]));
    }
  });
  if (values[3] > static_cast<std::uint64_t>(StopReason::failed)) {
    throw CorruptTrace(fmt::format("{}: /status/stop_reason is {}, expected 0 to 6", path().string(), values[3]));
  }
  return {values[0], values[1], values[2] != 0, static_cast<StopReason>(values[3])};
}

bool TraceReader::refresh() {
  if (!swmr()) return false;
  prepare_hdf5();
  const std::uint32_t before = n_positions();
  try {
    impl_->refresh_columns();
  } catch (const Hdf5Failure&) {
    // A refresh that failed half way leaves dataset identifiers unusable: start over from the path.
    impl_->guarded([this] { with_patience(impl_->options_.patience, [this] { impl_->open(); }); });
  }
  return n_positions() != before;
}

std::vector<TraceReader::LevelUse> TraceReader::level_use() const {
  std::vector<LevelUse> use;
  const auto add = [&](bool Levels::*level, const char* name) {
    if (!(info().levels.*level)) return;
    std::uint64_t bytes = 0;
    for (const auto& column : impl_->columns_) {
      if (column && column->spec().level == level) bytes += column->stored_bytes();
    }
    use.push_back({name, bytes});
  };
  add(&Levels::tokens, "tokens");
  add(&Levels::stats, "stats");
  add(&Levels::attention, "attention");
  add(&Levels::qkv, "qkv");
  return use;
}

}  // namespace kvwave::traces
