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

}  // namespace kvwave::kernels
