// What can be wrong with a strategy, one type per cause. Messages are one line and name the offending word.
#pragma once

#include <stdexcept>

namespace kvwave::alloc {

class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};
/// Unknown allocator, scorer or parameter (with the nearest known word), malformed text, or a value out of its range
/// (the range is named).
class BadStrategy : public Error {
 public:
  using Error::Error;
};
/// A budget that the strategy cannot meet: not above its window, below 1; names the smallest that fits.
class BadBudget : public Error {
 public:
  using Error::Error;
};
/// The allocator needs a demand profile that was not given, or of another shape.
class MissingProfile : public Error {
 public:
  using Error::Error;
};

/// The allocator needs a table over layers and heads that was not given, or of another shape (both are named).
class BadTable : public Error {
 public:
  using Error::Error;
};

}  // namespace kvwave::alloc
