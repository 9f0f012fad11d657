#include "capture/model.h"

#include <mutex>
#include <utility>

#include <fmt/format.h>

#include "capture/error.h"
#include "capture/gguf.h"
#include "capture/gguf_tokenizer.h"
#include "capture/llama_architecture.h"
#include "capture/model_parts.h"
#include "capture/printable.h"
#include "traces/sha256.h"

namespace kvwave::capture {
namespace {

ModelParts read_parts(const GgufFile& file) {
  const auto architecture = file.string("general.architecture");
  if (!architecture) throw BadModelFile(fmt::format("{}: key 'general.architecture' is missing", file.path().string()));
  if (*architecture == "llama") return read_llama(file);
  throw UnsupportedModel(fmt::format("{}: architecture {} is not known; known architectures: llama",
                                     file.path().string(), printable(*architecture)));
}

// Lengths in front of every part keep two different vocabularies from giving the same bytes.
void hash_number(traces::Sha256& hash, std::uint64_t number) {
  hash.update(std::as_bytes(std::span(&number, 1)));
}
void hash_text(traces::Sha256& hash, std::string_view text) {
  hash_number(hash, text.size());
  hash.update(text);
}
void hash_texts(traces::Sha256& hash, std::span<const std::string> texts) {
  hash_number(hash, texts.size());
  for (const std::string& text : texts) hash_text(hash, text);
}

}  // namespace

class Model::Impl {
 public:
  Impl(const std::filesystem::path& path, FileMemory memory)
      : file(path, memory), parts(read_parts(file)), tokenizer(read_tokenizer_data(file, parts.config.vocab_size)) {}

  GgufFile file;
  ModelParts parts;
  TokenizerData tokenizer;
  std::once_flag hashed;
  std::string sha256;
};

Model::Model() = default;
Model::~Model() = default;
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;

Model Model::load(const std::filesystem::path& path, FileMemory memory) {
  Model model;
  model.impl_ = std::make_unique<Impl>(path, memory);
  return model;
}

const ModelConfig& Model::config() const {
  return impl_->parts.config;
}
const TokenizerData& Model::tokenizer_data() const {
  return impl_->tokenizer;
}
std::span<const LayerParams> Model::layers() const {
  return impl_->parts.layers;
}
const kernels::ParamMatrix& Model::token_embedding() const {
  return impl_->parts.token_embedding;
}
const kernels::ParamMatrix& Model::output() const {
  return impl_->parts.output;
}
std::span<const float> Model::output_norm() const {
  return impl_->parts.output_norm;
}

std::uint64_t Model::param_bytes() const {
  std::uint64_t bytes = 0;
  for (const GgufTensor& tensor : impl_->file.tensors()) bytes += tensor.bytes.size();
  return bytes;
}

std::map<std::string, std::uint64_t> Model::tensors_by_type() const {
  std::map<std::string, std::uint64_t> count;
  for (const GgufTensor& tensor : impl_->file.tensors()) ++count[std::string(kernels::to_string(tensor.type))];
  return count;
}

std::string Model::sha256() const {
  std::call_once(impl_->hashed, [this] { impl_->sha256 = traces::Sha256().update(impl_->file.file_bytes()).hex(); });
  return impl_->sha256;
}

std::string Model::tokenizer_sha256() const {
  const TokenizerData& data = impl_->tokenizer;
  traces::Sha256 hash;
  hash_text(hash, data.kind);
  hash_text(hash, data.pre);
  hash_texts(hash, data.pieces);
  hash_number(hash, data.types.size());
  hash.update(std::as_bytes(std::span(data.types)));
  hash_texts(hash, data.merges);
  return hash.hex();
}

}  // namespace kvwave::capture
