// Changes finished files through HDF5 itself, to make traces that are wrong in one way.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <hdf5.h>

namespace kvwave::traces::testing {

/// Opens for writing, runs `change`, closes.
void edit_file(const std::filesystem::path& path, const std::function<void(hid_t file)>& change);
void set_number_attribute(hid_t object, const std::string& name, double value);
void set_text_attribute(hid_t object, const std::string& name, const std::string& value);
/// Overwrites the elements of one row of a dataset, beginning with its first; values are converted by HDF5.
void set_values(hid_t file, const std::string& dataset, hsize_t row, const std::vector<double>& values);

}  // namespace kvwave::traces::testing
