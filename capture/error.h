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
/// The header of a safetensors file says that it is longer than the file, or than the format allows.
class HeaderTooLong : public BadModelFile {
 public:
  using BadModelFile::BadModelFile;
};
/// Two tensors, or two fields of one JSON object, have the same name.
class DuplicateName : public BadModelFile {
 public:
  using BadModelFile::BadModelFile;
};
/// The bytes of two tensors overlap.
class OverlappingTensors : public BadModelFile {
 public:
  using BadModelFile::BadModelFile;
};
/// A file that belongs to a model is not beside the others.
class MissingShard : public BadModelFile {
 public:
  using BadModelFile::BadModelFile;
};
/// Tokenizer and model disagree about the vocabulary.
class VocabularyMismatch : public BadModelFile {
 public:
  using BadModelFile::BadModelFile;
};

/// A valid file whose architecture, tensor type or tokenizer kvwave does not know; names it and the known ones.
class UnsupportedModel : public Error {
 public:
  using Error::Error;
};
/// A chat template that cannot be evaluated; says which construct, and in which line of the template.
class UnsupportedTemplate : public UnsupportedModel {
 public:
  using UnsupportedModel::UnsupportedModel;
};

/// A tensor has another shape or type than the architecture needs; expected and actual are named.
class BadTensor : public Error {
 public:
  using Error::Error;
};
/// A tensor that the architecture needs, or that an index names, is not there.
class MissingTensor : public BadTensor {
 public:
  using BadTensor::BadTensor;
};

/// Chat template, prompt file, dataset line or continuation that cannot be used; names file and line.
class BadPrompt : public Error {
 public:
  using Error::Error;
};
/// --resume meets a manifest or a trace that this run would not have written; names file and difference.
class UnequalRun : public Error {
 public:
  using Error::Error;
};
/// Prompt plus tokens do not fit the model's context length; says both numbers.
class ContextTooLong : public Error {
 public:
  using Error::Error;
};
/// What a run takes beside the parameters does not fit the memory that is there; says both numbers and what lowers it.
class NotEnoughMemory : public Error {
 public:
  using Error::Error;
};
/// Decoding met a non-finite logit; names the position and, where known, the layer.
class NumericFailure : public Error {
 public:
  using Error::Error;
};

}  // namespace kvwave::capture
