#include "tests/traces/hdf5_edit.h"

#include <stdexcept>

namespace kvwave::traces::testing {
namespace {

template <class Result>
Result need(Result result) {
  if (result < 0) throw std::runtime_error("HDF5 call failed in a test");
  return result;
}

}  // namespace

void edit_file(const std::filesystem::path& path, const std::function<void(hid_t)>& change) {
  const hid_t file = need(H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT));
  change(file);
  need(H5Fclose(file));
}

void set_number_attribute(hid_t object, const std::string& name, double value) {
  const hid_t attribute = need(H5Aopen(object, name.c_str(), H5P_DEFAULT));
  need(H5Awrite(attribute, H5T_NATIVE_DOUBLE, &value));
  need(H5Aclose(attribute));
}

void set_text_attribute(hid_t object, const std::string& name, const std::string& value) {
  need(H5Adelete(object, name.c_str()));
  const hid_t type = need(H5Tcopy(H5T_C_S1));
  need(H5Tset_size(type, value.size()));
  const hid_t space = need(H5Screate(H5S_SCALAR));
  const hid_t attribute = need(H5Acreate2(object, name.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT));
  need(H5Awrite(attribute, type, value.data()));
  need(H5Aclose(attribute));
  need(H5Sclose(space));
  need(H5Tclose(type));
}

void set_values(hid_t file, const std::string& dataset, hsize_t row, const std::vector<double>& values) {
  const hid_t opened = need(H5Dopen2(file, dataset.c_str(), H5P_DEFAULT));
  const hid_t space = need(H5Dget_space(opened));
  std::vector<hsize_t> at(static_cast<std::size_t>(need(H5Sget_simple_extent_ndims(space))), 0);
  at[0] = row;
  for (const double value : values) {
    need(H5Sselect_elements(space, H5S_SELECT_SET, 1, at.data()));
    const hid_t one = need(H5Screate(H5S_SCALAR));
    need(H5Dwrite(opened, H5T_NATIVE_DOUBLE, one, space, H5P_DEFAULT, &value));
    need(H5Sclose(one));
    ++at.back();
  }
  need(H5Sclose(space));
  need(H5Dclose(opened));
}

}  // namespace kvwave::traces::testing
