// Private to traces/: owners of HDF5 identifiers, and its error stack as one line of text. HDF5 calls of several
// threads serialise on the library's own lock (a thread-safe build of the library is needed, as Debian's is).
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

#include <hdf5.h>

namespace kvwave::traces {

/// An HDF5 call that failed; what() is the innermost reason HDF5 gives. Translated to a public error by the caller.
class Hdf5Failure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// First call of every entry point. Stops HDF5 from printing its error stack on stderr (a setting of the calling
/// thread) and keeps it from closing files by itself at exit: everything is closed by its owner, and a file given up
/// after a failed write must not be touched again.
void prepare_hdf5();
/// Innermost entry of the calling thread's error stack; the system's message where one is inside.
std::string hdf5_reason();

/// Passes an identifier or status on, or throws Hdf5Failure when it is negative.
template <class Result>
Result check_hdf5(Result result) {
  if (result < 0) throw Hdf5Failure(hdf5_reason());
  return result;
}

template <herr_t (*Close)(hid_t)>
class Handle {
 public:
  Handle() = default;
  explicit Handle(hid_t id) : id_(check_hdf5(id)) {}
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, H5I_INVALID_HID)) {}
  Handle& operator=(Handle&& other) noexcept {
    if (this != &other) {
      close();
      id_ = std::exchange(other.id_, H5I_INVALID_HID);
    }
    return *this;
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() { close(); }

  hid_t get() const { return id_; }
  explicit operator bool() const { return id_ >= 0; }
  /// Gives the identifier up without closing it.
  void abandon() { id_ = H5I_INVALID_HID; }
  /// Negative when the library could not close it; the identifier is given up either way.
  herr_t close() { return id_ >= 0 ? Close(std::exchange(id_, H5I_INVALID_HID)) : 0; }

 private:
  hid_t id_ = H5I_INVALID_HID;
};

using FileHandle = Handle<H5Fclose>;
using GroupHandle = Handle<H5Gclose>;
using DatasetHandle = Handle<H5Dclose>;
using SpaceHandle = Handle<H5Sclose>;
using TypeHandle = Handle<H5Tclose>;
using PropertyHandle = Handle<H5Pclose>;
using AttributeHandle = Handle<H5Aclose>;
using ObjectHandle = Handle<H5Oclose>;

/// Fixed-length UTF-8 string type of `size` bytes, padded with zeros.
TypeHandle string_type(std::size_t size);
/// Little-endian IEEE half: HDF5 1.10 has no such type of its own, so it is made from the 32-bit one.
TypeHandle half_type();

}  // namespace kvwave::traces
