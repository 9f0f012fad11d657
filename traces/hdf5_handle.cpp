#include "traces/hdf5_handle.h"

#include <string_view>

namespace kvwave::traces {
namespace {

herr_t take_first(unsigned depth, const H5E_error2_t* entry, void* text) {
  if (depth == 0 && entry->desc != nullptr) *static_cast<std::string*>(text) = entry->desc;
  return 0;
}

}  // namespace

void prepare_hdf5() {
  static const herr_t once = H5dont_atexit();  // has to come before any other HDF5 call of the process
  static_cast<void>(once);
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

std::string hdf5_reason() {
  std::string text = "unknown HDF5 error";
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, take_first, &text);
  // The file driver's entries hold addresses and a date; only the system's words are worth a line.
  constexpr std::string_view kMark = "error message = '";
  if (const std::size_t begin = text.find(kMark); begin != std::string::npos) {
    const std::size_t first = begin + kMark.size();
    return text.substr(first, text.find('\'', first) - first);
  }
  return text;
}

TypeHandle string_type(std::size_t size) {
  TypeHandle type(H5Tcopy(H5T_C_S1));
  check_hdf5(H5Tset_size(type.get(), size));
  check_hdf5(H5Tset_strpad(type.get(), H5T_STR_NULLPAD));
  check_hdf5(H5Tset_cset(type.get(), H5T_CSET_UTF8));
  return type;
}

TypeHandle half_type() {
  TypeHandle type(H5Tcopy(H5T_IEEE_F32LE));
  check_hdf5(H5Tset_fields(type.get(), 15, 10, 5, 0, 10));
  check_hdf5(H5Tset_size(type.get(), 2));
  check_hdf5(H5Tset_ebias(type.get(), 15));
  return type;
}

}  // namespace kvwave::traces
