// What can be wrong with a replay's inputs beyond the files and strategies themselves (traces/error.h, alloc/error.h).
// One type per cause; messages are one line and name the file.
#pragma once

#include <stdexcept>

namespace kvwave::replay {

class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};
/// A profile that cannot be read, is no profile, or holds wrong sizes or values; names the file and the field.
class BadProfile : public Error {
 public:
  using Error::Error;
};
/// A profile written by a newer format than this program knows.
class NewerProfile : public Error {
 public:
  using Error::Error;
};
/// A results file that is no results file, or whose arrays contradict each other.
class BadResults : public Error {
 public:
  using Error::Error;
};
/// A folder or list of traces that is empty, cannot be read, or names a file twice.
class BadTraceList : public Error {
 public:
  using Error::Error;
};
/// Two traces hold the same recording; names both files.
class DuplicateTrace : public Error {
 public:
  using Error::Error;
};
/// Results that cannot be joined (other settings, missing or doubled shards), or that --resume finds changed.
class UnequalResults : public Error {
 public:
  using Error::Error;
};
/// A sweep file that cannot be read, or does not follow its schema; names the file and the field.
class BadSweepFile : public Error {
 public:
  using Error::Error;
};
/// Traces that must share one model do not; names both files.
class UnequalTraces : public Error {
 public:
  using Error::Error;
};
/// The traces hold no row that the command could work on (no decode step, a rho outside their grid).
class NothingToCompute : public Error {
 public:
  using Error::Error;
};

/// A table over layers and heads that cannot be read; names the file, what was expected and what was found.
class BadTableFile : public Error {
 public:
  using Error::Error;
};

}  // namespace kvwave::replay
