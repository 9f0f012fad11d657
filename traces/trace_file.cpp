#include "traces/trace_file.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "traces/error.h"
#include "traces/output_file.h"
#include "traces/trace_attributes.h"

namespace kvwave::traces {
namespace {

PropertyHandle file_access() {
  PropertyHandle access(H5Pcreate(H5P_FILE_ACCESS));
  check_hdf5(H5Pset_libver_bounds(access.get(), H5F_LIBVER_V110, H5F_LIBVER_V110));  // SWMR needs 1.10's structures
  return access;
}

void add_number(hid_t object, const char* name, std::uint32_t value) {
  write_number_attribute(object, name, H5T_STD_U32LE, H5T_NATIVE_UINT32, &value);
}

GroupHandle create_group(hid_t file, const char* name) {
  const PropertyHandle properties(H5Pcreate(H5P_GROUP_CREATE));
  check_hdf5(H5Pset_obj_track_times(properties.get(), false));
  return GroupHandle(H5Gcreate2(file, name, H5P_DEFAULT, properties.get(), H5P_DEFAULT));
}

/// One number in its own place of the file, so that a change overwrites it without touching any index.
DatasetHandle create_number(hid_t file, const char* name, hid_t type) {
  const PropertyHandle properties(H5Pcreate(H5P_DATASET_CREATE));
  check_hdf5(H5Pset_obj_track_times(properties.get(), false));
  check_hdf5(H5Pset_alloc_time(properties.get(), H5D_ALLOC_TIME_EARLY));
  const std::uint64_t zero = 0;
  check_hdf5(H5Pset_fill_value(properties.get(), H5T_NATIVE_UINT64, &zero));
  const hsize_t one = 1;
  const SpaceHandle space(H5Screate_simple(1, &one, nullptr));
  return DatasetHandle(H5Dcreate2(file, name, type, space.get(), H5P_DEFAULT, properties.get(), H5P_DEFAULT));
}

}  // namespace

TraceFile::TraceFile(const std::filesystem::path& path, const TraceInfo& info, bool overwrite)
    : path_(path), info_(checked_info(info)), columns_(kColumnCount) {
  prepare_hdf5();
  check_output(path_, overwrite);
  if (overwrite) {
    // A reader of the old file keeps it; truncating in place would pull it from under that reader.
    std::error_code error;
    std::filesystem::remove(path_, error);
    if (error) fail(error.message().c_str());
  }
  const PropertyHandle access = file_access();
  const PropertyHandle creation(H5Pcreate(H5P_FILE_CREATE));
  check_hdf5(H5Pset_obj_track_times(creation.get(), false));
  try {
    file_ = FileHandle(H5Fcreate(path_.c_str(), H5F_ACC_EXCL, creation.get(), access.get()));
  } catch (const Hdf5Failure& failure) {
    fail(failure.what());
  }
  try {
    create_datasets();
    create_status();
    write_root_attributes(file_.get(), info_);
    check_hdf5(H5Fstart_swmr_write(file_.get()));
    check_hdf5(H5Fflush(file_.get(), H5F_SCOPE_GLOBAL));
  } catch (const Hdf5Failure& failure) {
    abandon();
    unlink(path_.c_str());
    fail(failure.what());
  }
}

TraceFile::~TraceFile() {
  if (failed_) abandon();
}

void TraceFile::abandon() {
  for (const auto& made : columns_) {
    if (made) made->abandon();
  }
  for (DatasetHandle* dataset : {&nan_count_, &stall_count_, &complete_, &stop_reason_}) dataset->abandon();
  file_.abandon();
}

void TraceFile::create_datasets() {
  const std::array<std::pair<const char*, bool>, 4> groups = {{{"/tokens", info_.levels.tokens},
                                                               {"/stats", info_.levels.stats},
                                                               {"/attention", info_.levels.attention},
                                                               {"/qkv", info_.levels.qkv}}};
  for (const auto& [name, wanted] : groups) {
    if (wanted) create_group(file_.get(), name);
  }
  for (const DatasetSpec& spec : dataset_table(info_)) {
    auto& made = columns_[static_cast<std::size_t>(spec.column)];
    made = std::make_unique<ChunkColumn>(file_.get(), spec, encoder_);
    if (spec.filtered && spec.extent == Extent::position) stat_rows_ = spec.chunk_rows;
    if (spec.level != &Levels::stats) continue;
    if (spec.column == Column::demand || spec.column == Column::layer_demand) {
      write_list_attribute(made->dataset(), "rho", info_.rho);
    } else {
      add_number(made->dataset(), "n_sink", kStatSinks);
      add_number(made->dataset(), "n_recent", kStatRecent);
    }
  }
}

void TraceFile::create_status() {
  create_group(file_.get(), "/status");
  nan_count_ = create_number(file_.get(), "/status/nan_count", H5T_STD_U64LE);
  stall_count_ = create_number(file_.get(), "/status/stall_count", H5T_STD_U64LE);
  complete_ = create_number(file_.get(), "/status/complete", H5T_STD_U8LE);
  stop_reason_ = create_number(file_.get(), "/status/stop_reason", H5T_STD_U8LE);
  for (std::uint8_t value = 0; value <= static_cast<std::uint8_t>(StopReason::failed); ++value) {
    const std::string name(to_string(static_cast<StopReason>(value)));
    write_number_attribute(stop_reason_.get(), name.c_str(), H5T_STD_U8LE, H5T_NATIVE_UINT8, &value);
  }
}

void TraceFile::append(const TraceRow& row) {
  try {
    if (info_.levels.tokens) {
      column(Column::token_id)->append(&row.token_id);
      column(Column::token_logprob)->append(&row.logprob);
      column(Column::token_bytes)->append(row.token_bytes.data(), row.token_bytes.size());
      byte_end_ += row.token_bytes.size();
      column(Column::token_byte_end)->append(&byte_end_);
    }
    if (info_.levels.stats) append_stats(row);
    if (info_.levels.attention) append_attention(row);
    if (info_.levels.qkv) {
      column(Column::q)->append(row.q.data());
      column(Column::k)->append(row.k.data());
      column(Column::v)->append(row.v.data());
    }
    nans_ += row.nan_count;
    ++rows_;
  } catch (const Hdf5Failure& failure) {
    fail(failure.what());
  }
}

void TraceFile::append_stats(const TraceRow& row) {
  constexpr std::array kStats = {Column::layer_demand, Column::demand,      Column::entropy,
                                 Column::sink_mass,    Column::recent_mass, Column::max_prob};
  if (row.position < info_.first_row) {
    for (const Column which : kStats) column(which)->append_fill();
    return;
  }
  const std::size_t n_rho = info_.rho.size();
  const std::size_t heads = info_.shape.n_q_heads;
  layer_demand_.resize(info_.shape.n_layers * n_rho);
  for (std::size_t layer = 0; layer < info_.shape.n_layers; ++layer) {
    for (std::size_t rho = 0; rho < n_rho; ++rho) {
      std::uint64_t sum = 0;
      for (std::size_t head = 0; head < heads; ++head) sum += row.demand[(layer * heads + head) * n_rho + rho];
      layer_demand_[layer * n_rho + rho] = static_cast<float>(static_cast<double>(sum) / static_cast<double>(heads));
    }
  }
  column(Column::layer_demand)->append(layer_demand_.data());
  column(Column::demand)->append(row.demand.data());
  column(Column::entropy)->append(row.entropy.data());
  column(Column::sink_mass)->append(row.sink_mass.data());
  column(Column::recent_mass)->append(row.recent_mass.data());
  column(Column::max_prob)->append(row.max_prob.data());
}

void TraceFile::append_attention(const TraceRow& row) {
  const std::uint64_t start = column(Column::attention_position)->rows();
  column(Column::attention_row_start)->append(&start);
  if (row.position < info_.first_row) {
    column(Column::attention_count)->append_fill();
    column(Column::attention_residual)->append_fill();
    return;
  }
  column(Column::attention_count)->append(row.attention_count.data());
  column(Column::attention_residual)->append(row.attention_residual.data());
  const std::uint64_t entries = row.attention_position.size();
  column(Column::attention_position)->append(row.attention_position.data(), entries);
  column(Column::attention_prob)->append(row.attention_prob.data(), entries);
}

void TraceFile::write_status(const DatasetHandle& dataset, hid_t type, const void* value) {
  check_hdf5(H5Dwrite(dataset.get(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, value));
}

bool TraceFile::on_chunk_boundary() const {
  return rows_ % stat_rows_ == 0;
}

void TraceFile::flush(std::uint64_t stall_count) {
  try {
    for (const auto& made : columns_) {
      if (!made) continue;
      if (made->spec().extent == Extent::entry) {
        made->pad_to_chunk();
      } else {
        made->write_partial();
      }
    }
    write_status(nan_count_, H5T_NATIVE_UINT64, &nans_);
    write_status(stall_count_, H5T_NATIVE_UINT64, &stall_count);
    check_hdf5(H5Fflush(file_.get(), H5F_SCOPE_GLOBAL));
  } catch (const Hdf5Failure& failure) {
    fail(failure.what());
  }
}

void TraceFile::close(std::uint64_t stall_count, StopReason reason, bool complete, bool sync) {
  flush(stall_count);
  try {
    const auto code = static_cast<std::uint8_t>(reason);
    const std::uint8_t done = complete ? 1 : 0;
    write_status(stop_reason_, H5T_NATIVE_UINT8, &code);
    write_status(complete_, H5T_NATIVE_UINT8, &done);
    columns_.clear();
    for (DatasetHandle* dataset : {&nan_count_, &stall_count_, &complete_, &stop_reason_}) check_hdf5(dataset->close());
    check_hdf5(file_.close());
  } catch (const Hdf5Failure& failure) {
    fail(failure.what());
  }
  if (!sync) return;
  const int descriptor = open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) fail(std::strerror(errno));
  const int status = fdatasync(descriptor);
  const int error = errno;
  ::close(descriptor);
  if (status != 0) fail(std::strerror(error));
}

std::uint64_t TraceFile::bytes() const {
  struct stat status {};
  return stat(path_.c_str(), &status) == 0 ? static_cast<std::uint64_t>(status.st_size) : 0;
}

void TraceFile::fail(const char* reason) {
  failed_ = true;
  throw OutputFailed(fmt::format("{}: cannot write: {}", path_.string(), reason));
}

}  // namespace kvwave::traces
