#include "capture/model.h"

#include <mutex>
#include <utility>

#include "capture/model_parts.h"
#include "capture/model_source.h"
#include "traces/sha256.h"

namespace kvwave::capture {
namespace {

ModelSource read_source(const std::filesystem::path& path, FileMemory memory, ParamScan scan) {
  std::error_code error;
  ModelSource source =
      std::filesystem::is_directory(path, error) ? read_model_folder(path, memory) : read_gguf_model(path, memory);
  if (scan == ParamScan::none) source.tensors.trust_matrices();
  return source;
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
  Impl(const std::filesystem::path& path, FileMemory memory, ParamScan scan)
      : source(read_source(path, memory, scan)),
        parts(assemble_parts(source.config, *source.architecture, source.tensors, *source.names)) {}

  ModelSource source;
  ModelParts parts;
  std::once_flag hashed;
  std::string sha256;
};

Model::Model() = default;
Model::~Model() = default;
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;

Model Model::load(const std::filesystem::path& path, FileMemory memory, ParamScan scan) {
  Model model;
  model.impl_ = std::make_unique<Impl>(path, memory, scan);
  return model;
}

const ModelConfig& Model::config() const {
  return impl_->source.config;
}
const TokenizerData& Model::tokenizer_data() const {
  return impl_->source.tokenizer;
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

std::string_view Model::format() const {
  return impl_->source.format;
}
std::uint64_t Model::param_bytes() const {
  return impl_->source.tensors.total_bytes();
}
std::uint64_t Model::file_bytes() const {
  std::uint64_t bytes = 0;
  for (const std::span<const std::byte> file : impl_->source.parameter_files) bytes += file.size();
  return bytes;
}
bool Model::is_copy() const {
  return impl_->source.is_copy;
}
std::map<std::string, std::uint64_t> Model::tensors_by_type() const {
  return impl_->source.tensors.count_by_type();
}

std::string Model::sha256() const {
  std::call_once(impl_->hashed, [this] {
    const auto& files = impl_->source.parameter_files;
    const auto hash_file = [](std::span<const std::byte> file) { return traces::Sha256().update(file).hex(); };
    if (files.size() == 1) {
      impl_->sha256 = hash_file(files.front());
      return;
    }
    traces::Sha256 all;
    for (const std::span<const std::byte> file : files) all.update(hash_file(file));
    impl_->sha256 = all.hex();
  });
  return impl_->sha256;
}

std::string Model::tokenizer_sha256() const {
  const TokenizerData& data = impl_->source.tokenizer;
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
