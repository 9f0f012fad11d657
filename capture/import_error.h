// What can be wrong with a recording that another program made, one type per cause. Messages name the file, layer,
// q_head and row where they apply, what was expected and what was found.
#pragma once

#include "capture/error.h"

namespace kvwave::capture {

/// Base: also a folder or file of a recording that cannot be read, or holds what does not belong there.
class BadRecording : public Error {
 public:
  using Error::Error;
};
/// A layer or step of which an array should be there, and is not.
class MissingArray : public BadRecording {
 public:
  using BadRecording::BadRecording;
};
/// An array whose extents or type contradict the model's facts, the other arrays or the tokens.
class RecordingShape : public BadRecording {
 public:
  using BadRecording::BadRecording;
};
/// NaN or infinity in a row, or in q, k or v.
class RecordingNotFinite : public BadRecording {
 public:
  using BadRecording::BadRecording;
};
/// A row with a negative entry.
class NegativeMass : public BadRecording {
 public:
  using BadRecording::BadRecording;
};
/// A row with mass on a position after its own.
class MassAhead : public BadRecording {
 public:
  using BadRecording::BadRecording;
};
/// A row whose sum differs from 1 by more than row_sum_bound().
class BadRowSum : public BadRecording {
 public:
  using BadRecording::BadRecording;
};
/// A given row that differs from softmax(q.k / sqrt(d)) of the given q and k by more than row_agreement_bound().
class RowsDisagree : public BadRecording {
 public:
  using BadRecording::BadRecording;
};

}  // namespace kvwave::capture
