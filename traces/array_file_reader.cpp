#include <algorithm>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include <fmt/format.h>

#include "traces/array_file.h"
#include "traces/deflate_limit.h"
#include "traces/error.h"
#include "traces/hdf5_handle.h"
#include "traces/trace_attributes.h"
#include "traces/trace_open.h"

namespace kvwave::traces {
namespace {

constexpr std::size_t kMostRank = 8;

}  // namespace

class ArrayFileReader::Impl {
 public:
  explicit Impl(std::filesystem::path path) : path_(std::move(path)) {
    prepare_hdf5();
    try {
      file_ = std::move(open_hdf5(path_).file);
    } catch (const Hdf5Failure& failure) {
      throw TruncatedTrace(fmt::format("{}: is damaged: {}", path_.string(), failure.what()));
    }
    most_bytes_ = kMostPerByte * std::filesystem::file_size(path_);
  }

  template <class Read>
  auto guarded(Read&& read) const {
    prepare_hdf5();
    try {
      return read();
    } catch (const Hdf5Failure& failure) {
      throw TruncatedTrace(fmt::format("{}: cannot be read: {}", path_.string(), failure.what()));
    }
  }

  [[noreturn]] void fail(std::string_view name, std::string_view what) const {
    throw WrongShape(fmt::format("{}: {} {}", path_.string(), name, what));
  }

  bool has(const std::string& name) const {
    for (std::size_t end = name.find('/', 1);; end = name.find('/', end + 1)) {
      H5L_info_t link{};
      const std::string part = name.substr(0, end);
      if (part.empty() || part == "/") return part == "/";
      if (H5Lexists(file_.get(), part.c_str(), H5P_DEFAULT) <= 0 ||
          H5Lget_info(file_.get(), part.c_str(), &link, H5P_DEFAULT) < 0 || link.type != H5L_TYPE_HARD) {
        return false;
      }
      if (end == std::string::npos) return true;
    }
  }

  DatasetHandle dataset(const std::string& name) const {
    if (!has(name)) fail(name, "is absent");
    DatasetHandle opened(H5Dopen2(file_.get(), name.c_str(), H5P_DEFAULT));
    const PropertyHandle creation(H5Dget_create_plist(opened.get()));
    const H5D_layout_t layout = H5Pget_layout(creation.get());
    if (layout == H5D_VIRTUAL || (layout == H5D_CONTIGUOUS && H5Pget_external_count(creation.get()) != 0)) {
      fail(name, "lies outside this file");
    }
    if (layout == H5D_CHUNKED) {
      std::vector<hsize_t> chunk(kMostRank, 1);
      const int rank = H5Pget_chunk(creation.get(), static_cast<int>(chunk.size()), chunk.data());
      std::uint64_t elements = 1;
      for (int i = 0; i < std::min(rank, static_cast<int>(kMostRank)); ++i) {
        const hsize_t extent = chunk[static_cast<std::size_t>(i)];
        if (extent == 0 || extent > (std::uint64_t{1} << 28) / elements) fail(name, "has oversized chunks");
        elements *= extent;
      }
    }
    return opened;
  }

  std::vector<hsize_t> extents(const DatasetHandle& opened, std::string_view name) const {
    const SpaceHandle space(H5Dget_space(opened.get()));
    const int rank = H5Sget_simple_extent_ndims(space.get());
    if (rank < 0 || rank > static_cast<int>(kMostRank)) fail(name, "has too many dimensions");
    std::vector<hsize_t> dims(static_cast<std::size_t>(rank));
    if (rank > 0) check_hdf5(H5Sget_simple_extent_dims(space.get(), dims.data(), nullptr));
    return dims;
  }

  /// Elements of the dataset, after checking that so many bytes can come from a file of this size.
  std::size_t checked_count(const DatasetHandle& opened, std::string_view name, std::size_t element_bytes) const {
    std::uint64_t count = 1;
    for (const hsize_t extent : extents(opened, name)) {
      if (extent != 0 && count > most_bytes_ / element_bytes / extent) fail(name, "claims more than the file can hold");
      count *= extent;
    }
    return count;
  }

  template <class Value>
  std::vector<Value> read(const std::string& name, H5T_class_t expected, hid_t memory_type) const {
    return guarded([&] {
      const DatasetHandle opened = dataset(name);
      const TypeHandle type(H5Dget_type(opened.get()));
      if (H5Tget_class(type.get()) != expected) {
        fail(name, expected == H5T_FLOAT ? "holds no real numbers" : "holds no integers");
      }
      std::vector<Value> values(checked_count(opened, name, sizeof(Value)));
      if (!values.empty()) {
        check_hdf5(H5Dread(opened.get(), memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()));
      }
      return values;
    });
  }

  AttributeHandle attribute(const std::string& object, const std::string& name) const {
    if (!has(object)) fail(object, "is absent");
    const ObjectHandle owner(H5Oopen(file_.get(), object.c_str(), H5P_DEFAULT));
    if (H5Aexists(owner.get(), name.c_str()) <= 0) fail(object, fmt::format("has no attribute {}", name));
    AttributeHandle opened(H5Aopen(owner.get(), name.c_str(), H5P_DEFAULT));
    const SpaceHandle space(H5Aget_space(opened.get()));
    if (H5Sget_simple_extent_npoints(space.get()) != 1) fail(object, fmt::format("attribute {} is no scalar", name));
    return opened;
  }

  H5O_type_t object_type(const std::string& name) const {
    if (!has(name)) fail(name, "is absent");
    H5O_info_t info{};
    check_hdf5(H5Oget_info_by_name(file_.get(), name.c_str(), &info, H5P_DEFAULT));
    return info.type;
  }

  // One attribute in the kind that the writer would have used.
  ArrayAttribute any_attribute(const std::string& object, hid_t owner, const std::string& name) const {
    const AttributeHandle opened(H5Aopen(owner, name.c_str(), H5P_DEFAULT));
    const TypeHandle type(H5Aget_type(opened.get()));
    const SpaceHandle space(H5Aget_space(opened.get()));
    const H5T_class_t kind = H5Tget_class(type.get());
    const hssize_t n = H5Sget_simple_extent_npoints(space.get());
    const bool scalar = H5Sget_simple_extent_ndims(space.get()) == 0;
    if (kind == H5T_FLOAT && !scalar && n >= 0 && static_cast<std::uint64_t>(n) <= kMostText) {
      std::vector<double> values(static_cast<std::size_t>(n));
      if (n > 0) check_hdf5(H5Aread(opened.get(), H5T_NATIVE_DOUBLE, values.data()));
      return {name, values};
    }
    if (scalar && kind == H5T_FLOAT) {
      double value = 0;
      check_hdf5(H5Aread(opened.get(), H5T_NATIVE_DOUBLE, &value));
      return {name, value};
    }
    if (scalar && kind == H5T_INTEGER) {
      std::int64_t value = 0;
      check_hdf5(H5Aread(opened.get(), H5T_NATIVE_INT64, &value));
      return {name, value};
    }
    if (scalar && kind == H5T_STRING && H5Tis_variable_str(type.get()) == 0 && H5Tget_size(type.get()) <= kMostText) {
      std::string text(H5Tget_size(type.get()), '\0');
      check_hdf5(H5Aread(opened.get(), type.get(), text.data()));
      return {name, text.substr(0, text.find('\0'))};
    }
    fail(object, fmt::format("attribute {} is of a kind that is not written here", name));
  }

  hid_t file() const { return file_.get(); }

 private:
  std::filesystem::path path_;
  FileHandle file_;
  std::uint64_t most_bytes_ = 0;
};

ArrayFileReader::ArrayFileReader(const std::filesystem::path& path) : impl_(std::make_unique<Impl>(path)) {}
ArrayFileReader::~ArrayFileReader() = default;
ArrayFileReader::ArrayFileReader(ArrayFileReader&&) noexcept = default;

bool ArrayFileReader::has(std::string_view name) const {
  return impl_->guarded([&] { return impl_->has(std::string(name)); });
}

std::vector<std::string> ArrayFileReader::children(std::string_view group) const {
  return impl_->guarded([&] {
    if (!impl_->has(std::string(group))) impl_->fail(group, "is absent");
    const GroupHandle opened(H5Gopen2(impl_->file(), std::string(group).c_str(), H5P_DEFAULT));
    std::vector<std::string> names;
    const auto add = [](hid_t, const char* name, const H5L_info_t*, void* out) -> herr_t {
      static_cast<std::vector<std::string>*>(out)->emplace_back(name);
      return 0;
    };
    hsize_t index = 0;
    check_hdf5(H5Literate(opened.get(), H5_INDEX_NAME, H5_ITER_INC, &index, add, &names));
    std::sort(names.begin(), names.end());
    return names;
  });
}

std::vector<std::uint64_t> ArrayFileReader::shape(std::string_view name) const {
  return impl_->guarded([&] {
    const std::vector<hsize_t> dims = impl_->extents(impl_->dataset(std::string(name)), name);
    return std::vector<std::uint64_t>(dims.begin(), dims.end());
  });
}

std::vector<float> ArrayFileReader::floats(std::string_view name) const {
  return impl_->read<float>(std::string(name), H5T_FLOAT, H5T_NATIVE_FLOAT);
}
std::vector<double> ArrayFileReader::doubles(std::string_view name) const {
  return impl_->read<double>(std::string(name), H5T_FLOAT, H5T_NATIVE_DOUBLE);
}
std::vector<std::int32_t> ArrayFileReader::ints(std::string_view name) const {
  return impl_->read<std::int32_t>(std::string(name), H5T_INTEGER, H5T_NATIVE_INT32);
}

std::vector<std::uint32_t> ArrayFileReader::uints(std::string_view name) const {
  return impl_->read<std::uint32_t>(std::string(name), H5T_INTEGER, H5T_NATIVE_UINT32);
}

bool ArrayFileReader::is_group(std::string_view name) const {
  return impl_->guarded([&] { return impl_->object_type(std::string(name)) == H5O_TYPE_GROUP; });
}

ArrayType ArrayFileReader::type(std::string_view name) const {
  return impl_->guarded([&] {
    const DatasetHandle opened = impl_->dataset(std::string(name));
    const TypeHandle type(H5Dget_type(opened.get()));
    const H5T_class_t kind = H5Tget_class(type.get());
    const std::size_t bytes = H5Tget_size(type.get());
    if (kind == H5T_FLOAT && bytes == 4) return ArrayType::f32;
    if (kind == H5T_FLOAT && bytes == 8) return ArrayType::f64;
    if (kind == H5T_INTEGER && bytes == 4)
      return H5Tget_sign(type.get()) == H5T_SGN_2 ? ArrayType::i32 : ArrayType::u32;
    if (kind == H5T_STRING && H5Tis_variable_str(type.get()) == 0) return ArrayType::text;
    impl_->fail(name, "is of a type that is not written here");
  });
}

std::vector<ArrayAttribute> ArrayFileReader::attributes(std::string_view object) const {
  return impl_->guarded([&] {
    const std::string name(object);
    if (!impl_->has(name)) impl_->fail(name, "is absent");
    const ObjectHandle owner(H5Oopen(impl_->file(), name.c_str(), H5P_DEFAULT));
    std::vector<std::string> names;
    const auto add = [](hid_t, const char* found, const H5A_info_t*, void* out) -> herr_t {
      static_cast<std::vector<std::string>*>(out)->emplace_back(found);
      return 0;
    };
    hsize_t index = 0;
    check_hdf5(H5Aiterate2(owner.get(), H5_INDEX_NAME, H5_ITER_INC, &index, add, &names));
    std::sort(names.begin(), names.end());
    std::vector<ArrayAttribute> attributes;
    for (const std::string& found : names) attributes.push_back(impl_->any_attribute(name, owner.get(), found));
    return attributes;
  });
}

std::vector<std::string> ArrayFileReader::strings(std::string_view name) const {
  return impl_->guarded([&] {
    const DatasetHandle opened = impl_->dataset(std::string(name));
    const TypeHandle type(H5Dget_type(opened.get()));
    const std::size_t width = H5Tget_size(type.get());
    if (H5Tget_class(type.get()) != H5T_STRING || H5Tis_variable_str(type.get()) != 0 || width == 0) {
      impl_->fail(name, "holds no fixed-length strings");
    }
    std::string packed(impl_->checked_count(opened, name, width) * width, '\0');
    if (!packed.empty()) check_hdf5(H5Dread(opened.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, packed.data()));
    std::vector<std::string> values;
    for (std::size_t i = 0; i < packed.size(); i += width) {
      const std::string value = packed.substr(i, width);
      values.push_back(value.substr(0, value.find('\0')));
    }
    return values;
  });
}

std::string ArrayFileReader::text_attribute(std::string_view object, std::string_view name) const {
  return impl_->guarded([&] {
    const AttributeHandle opened = impl_->attribute(std::string(object), std::string(name));
    const TypeHandle type(H5Aget_type(opened.get()));
    const std::size_t size = H5Tget_size(type.get());
    if (H5Tget_class(type.get()) != H5T_STRING || H5Tis_variable_str(type.get()) != 0 || size > kMostText) {
      impl_->fail(object, fmt::format("attribute {} is no fixed-length string", name));
    }
    std::string text(size, '\0');
    check_hdf5(H5Aread(opened.get(), type.get(), text.data()));
    return text.substr(0, text.find('\0'));
  });
}

double ArrayFileReader::number_attribute(std::string_view object, std::string_view name) const {
  return impl_->guarded([&] {
    const AttributeHandle opened = impl_->attribute(std::string(object), std::string(name));
    const TypeHandle type(H5Aget_type(opened.get()));
    const H5T_class_t kind = H5Tget_class(type.get());
    if (kind != H5T_FLOAT && kind != H5T_INTEGER) impl_->fail(object, fmt::format("attribute {} is no number", name));
    double value = 0;
    check_hdf5(H5Aread(opened.get(), H5T_NATIVE_DOUBLE, &value));
    return value;
  });
}

}  // namespace kvwave::traces
