// What can be wrong with numeric work: programming errors are asserts; what a user can cause is typed here.
#pragma once

#include <stdexcept>

namespace kvwave::kernels {

/// Base of this folder's errors; what() is one line.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};
/// The asked device cannot be used; says why (no driver, built without CUDA, no such device).
class DeviceUnavailable : public Error {
 public:
  using Error::Error;
};
/// An allocation on the device failed; says what was asked, what was free and which option lowers it.
class DeviceOutOfMemory : public Error {
 public:
  using Error::Error;
};
/// A call to the device failed; the text names the call and its place. The device can no longer be used by this process.
class DeviceFailure : public Error {
 public:
  using Error::Error;
};

}  // namespace kvwave::kernels
