// What can go wrong with models, prompts and decoding, one type per cause; messages name the file, what was expected
// and what was found.
#pragma once

#include <stdexcept>

namespace kvwave::capture {

class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};
/// Not a model file, truncated, or its own numbers contradict the file (counts, offsets, sizes).
class BadModelFile : public Error {
 public:
  using Error::Error;
};
/// A valid file whose architecture, tensor type or tokenizer kvwave does not know; names it and the known ones.
class UnsupportedModel : public Error {
 public:
  using Error::Error;
};
/// A tensor is missing or has another shape or type than the architecture needs; expected and actual are named.
class BadTensor : public Error {
 public:
  using Error::Error;
};
/// Chat template, prompt file, dataset line or continuation that cannot be used; names file and line.
class BadPrompt : public Error {
 public:
  using Error::Error;
};
/// Prompt plus tokens do not fit the model's context length; says both numbers.
class ContextTooLong : public Error {
 public:
  using Error::Error;
};
/// Decoding met a non-finite logit; names the position and, where known, the layer.
class NumericFailure : public Error {
 public:
  using Error::Error;
};

}  // namespace kvwave::capture
