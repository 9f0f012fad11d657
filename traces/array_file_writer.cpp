#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <functional>
#include <numeric>
#include <stdexcept>
#include <string>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

#include "traces/array_file.h"
#include "traces/error.h"
#include "traces/hdf5_handle.h"
#include "traces/output_file.h"
#include "traces/trace_attributes.h"

namespace kvwave::traces {
namespace {

constexpr std::uint64_t kChunkBytes = std::uint64_t{1} << 20;

/// Chunks that take whole trailing dimensions and as much of the leading ones as fits.
std::vector<hsize_t> chunk_shape(std::span<const std::uint64_t> shape, std::uint64_t element_bytes) {
  std::vector<hsize_t> chunk(shape.begin(), shape.end());
  std::uint64_t room = kChunkBytes / element_bytes;
  for (std::size_t i = chunk.size(); i-- > 0;) {
    chunk[i] = std::min<std::uint64_t>(chunk[i], std::max<std::uint64_t>(1, room));
    room /= chunk[i];
  }
  return chunk;
}

}  // namespace

class ArrayFileWriter::Impl {
 public:
  Impl(std::filesystem::path path, bool overwrite)
      : path_(std::move(path)), temporary_(path_.string() + fmt::format(".tmp{}", getpid())) {
    prepare_hdf5();
    check_output(path_, overwrite);
    guarded([&] {
      const PropertyHandle access(H5Pcreate(H5P_FILE_ACCESS));
      check_hdf5(H5Pset_libver_bounds(access.get(), H5F_LIBVER_V110, H5F_LIBVER_V110));
      const PropertyHandle creation(H5Pcreate(H5P_FILE_CREATE));
      check_hdf5(H5Pset_obj_track_times(creation.get(), false));
      file_ = FileHandle(H5Fcreate(temporary_.c_str(), H5F_ACC_TRUNC, creation.get(), access.get()));
    });
  }
  ~Impl() {
    if (temporary_.empty()) return;
    if (failed_) file_.abandon();  // closing would try the failed write again
    file_.close();
    unlink(temporary_.c_str());
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  template <class Work>
  void guarded(Work&& work) {
    prepare_hdf5();
    try {
      work();
    } catch (const Hdf5Failure& failure) {
      failed_ = true;
      throw OutputFailed(fmt::format("{}: cannot write: {}", path_.string(), failure.what()));
    }
  }

  void write(std::string_view name, Shape shape, std::size_t count, hid_t file_type, hid_t memory_type,
             const void* values, bool compress) {
    const std::uint64_t product = std::accumulate(shape.begin(), shape.end(), std::uint64_t{1}, std::multiplies<>());
    if (product != count) {
      throw std::invalid_argument(fmt::format("array {}: shape has {} elements, {} given", name, product, count));
    }
    guarded([&] {
      const std::vector<hsize_t> extents(shape.begin(), shape.end());
      const SpaceHandle space(H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr));
      create_groups(std::string(name));
      const PropertyHandle creation(H5Pcreate(H5P_DATASET_CREATE));
      check_hdf5(H5Pset_obj_track_times(creation.get(), false));
      if (compress && count != 0 && !shape.empty()) {
        const std::vector<hsize_t> chunk = chunk_shape(shape, H5Tget_size(file_type));
        check_hdf5(H5Pset_chunk(creation.get(), static_cast<int>(chunk.size()), chunk.data()));
        check_hdf5(H5Pset_shuffle(creation.get()));
        check_hdf5(H5Pset_deflate(creation.get(), 1));
      }
      const DatasetHandle dataset(H5Dcreate2(file_.get(), std::string(name).c_str(), file_type, space.get(),
                                             H5P_DEFAULT, creation.get(), H5P_DEFAULT));
      if (count != 0) {
        check_hdf5(H5Dwrite(dataset.get(), memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values));
      }
    });
  }

  /// HDF5 can make missing groups by itself, but would store times in them.
  void create_groups(const std::string& name) {
    const PropertyHandle creation(H5Pcreate(H5P_GROUP_CREATE));
    check_hdf5(H5Pset_obj_track_times(creation.get(), false));
    for (std::size_t end = name.find('/', 1); end != std::string::npos; end = name.find('/', end + 1)) {
      const std::string group = name.substr(0, end);
      if (check_hdf5(H5Lexists(file_.get(), group.c_str(), H5P_DEFAULT)) > 0) continue;
      const GroupHandle made(H5Gcreate2(file_.get(), group.c_str(), H5P_DEFAULT, creation.get(), H5P_DEFAULT));
    }
  }

  ObjectHandle object(std::string_view name) const {
    return ObjectHandle(H5Oopen(file_.get(), std::string(name).c_str(), H5P_DEFAULT));
  }

  void commit() {
    guarded([&] {
      check_hdf5(H5Fflush(file_.get(), H5F_SCOPE_GLOBAL));
      check_hdf5(file_.close());
    });
    const auto fail = [&](const char* what) {
      throw OutputFailed(fmt::format("{}: {}: {}", path_.string(), what, std::strerror(errno)));
    };
    const int descriptor = open(temporary_.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) fail("cannot sync");
    const int status = fdatasync(descriptor);
    close(descriptor);
    if (status != 0) fail("cannot sync");
    if (std::rename(temporary_.c_str(), path_.c_str()) != 0) fail("cannot rename into place");
    temporary_.clear();
  }

 private:
  std::filesystem::path path_;
  std::string temporary_;  ///< empty once renamed
  bool failed_ = false;
  FileHandle file_;
};

ArrayFileWriter::ArrayFileWriter(const std::filesystem::path& path, bool overwrite)
    : impl_(std::make_unique<Impl>(path, overwrite)) {}
ArrayFileWriter::~ArrayFileWriter() = default;

void ArrayFileWriter::write(std::string_view name, Shape shape, std::span<const float> values, bool compress) {
  impl_->write(name, shape, values.size(), H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, values.data(), compress);
}
void ArrayFileWriter::write(std::string_view name, Shape shape, std::span<const double> values, bool compress) {
  impl_->write(name, shape, values.size(), H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, values.data(), compress);
}
void ArrayFileWriter::write(std::string_view name, Shape shape, std::span<const std::int32_t> values, bool compress) {
  impl_->write(name, shape, values.size(), H5T_STD_I32LE, H5T_NATIVE_INT32, values.data(), compress);
}
void ArrayFileWriter::write(std::string_view name, Shape shape, std::span<const std::uint32_t> values, bool compress) {
  impl_->write(name, shape, values.size(), H5T_STD_U32LE, H5T_NATIVE_UINT32, values.data(), compress);
}

void ArrayFileWriter::write(std::string_view name, std::span<const std::string> values) {
  std::size_t width = 1;
  for (const std::string& value : values) width = std::max(width, value.size());
  std::string packed;
  for (const std::string& value : values) packed += value + std::string(width - value.size(), '\0');
  const TypeHandle type = string_type(width);
  const std::uint64_t count = values.size();
  impl_->write(name, Shape(&count, 1), count, type.get(), type.get(), packed.data(), false);
}

void ArrayFileWriter::attribute(std::string_view object, std::string_view name, std::string_view value) {
  impl_->guarded([&] { write_text_attribute(impl_->object(object).get(), std::string(name).c_str(), value); });
}
void ArrayFileWriter::attribute(std::string_view object, std::string_view name, double value) {
  impl_->guarded([&] {
    write_number_attribute(impl_->object(object).get(), std::string(name).c_str(), H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE,
                           &value);
  });
}
void ArrayFileWriter::attribute(std::string_view object, std::string_view name, std::int64_t value) {
  impl_->guarded([&] {
    write_number_attribute(impl_->object(object).get(), std::string(name).c_str(), H5T_STD_I64LE, H5T_NATIVE_INT64,
                           &value);
  });
}
void ArrayFileWriter::attribute(std::string_view object, std::string_view name, std::span<const double> values) {
  impl_->guarded([&] { write_list_attribute(impl_->object(object).get(), std::string(name).c_str(), values); });
}

void ArrayFileWriter::commit() {
  impl_->commit();
}

}  // namespace kvwave::traces
