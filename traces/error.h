// What can be wrong with a file, one type per cause. Every message is one line that names the file and, where it
// applies, what was expected and what was found. Thrown where the cause is known, caught once in main().
#pragma once

#include <stdexcept>
#include <string>

namespace kvwave::traces {

/// Base of all errors of this folder; what() is a complete sentence without a trailing newline.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The file cannot be opened, or is not HDF5, or is HDF5 of another kind.
class NotATrace : public Error {
 public:
  using Error::Error;
};
/// The file ends before its own index says, or a dataset cannot be read where rows are promised.
class TruncatedTrace : public Error {
 public:
  using Error::Error;
};
/// `format_version` is larger than this program knows.
class NewerVersion : public Error {
 public:
  using Error::Error;
};
/// A level (tokens, stats, attention, qkv) is asked for that the trace does not hold; says how to record it.
class MissingLevel : public Error {
 public:
  using Error::Error;
};
/// A dataset or attribute is absent, or has another rank, extent or type than format 1 says; both are named.
class WrongShape : public Error {
 public:
  using Error::Error;
};
/// Values contradict each other or leave their range (NaN, position beyond the row, offsets out of order).
class CorruptTrace : public Error {
 public:
  using Error::Error;
};
/// An .npy array or .npz archive that is damaged, of another type than is read, or beyond the stated limits.
class BadArrayFile : public Error {
 public:
  using Error::Error;
};
/// The output exists and -f/--force was not given.
class OutputExists : public Error {
 public:
  using Error::Error;
};
/// The output cannot be created or written (permission, missing folder, disk full); names the system's reason.
class OutputFailed : public Error {
 public:
  using Error::Error;
};

}  // namespace kvwave::traces
