#include "capture/cuda_sequence.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "capture/error.h"
#include "capture/rope_table.h"
#include "kernels/transformer_ops.h"

namespace kvwave::capture {
namespace {

constexpr std::uint32_t kCapacityStep = 1024;

void require_runs_on_cuda(const Model& model) {
  const ModelConfig& config = model.config();
  if (config.rope_attention_factor != 1.0) {
    throw UnsupportedModel(fmt::format("{}: rope scaling with attention factor {} runs on the CPU only (--device cpu)",
                                       config.name, config.rope_attention_factor));
  }
  const auto require = [&config](const kernels::ParamMatrix& matrix) {
    if (kernels::runs_on_cuda(matrix.type)) return;
    throw UnsupportedModel(fmt::format("{}: parameters of type {} run on the CPU only (--device cpu)", config.name,
                                       kernels::to_string(matrix.type)));
  };
  require(model.token_embedding());
  require(model.output());
  for (const LayerParams& p : model.layers()) {
    for (const kernels::ParamMatrix* matrix : {&p.q, &p.k, &p.v, &p.o, &p.gate, &p.up, &p.down}) require(*matrix);
  }
}

}  // namespace

kernels::DecoderModel decoder_model(const Model& model) {
  require_runs_on_cuda(model);
  const ModelConfig& config = model.config();
  kernels::DecoderModel result;
  result.hidden = config.hidden;
  result.ffn = config.ffn;
  result.vocab_size = config.vocab_size;
  result.n_q_heads = config.n_q_heads;
  result.n_kv_heads = config.n_kv_heads;
  result.head_dim = config.head_dim;
  result.rms_epsilon = config.rms_epsilon;
  result.rope_interleaved = config.rope_layout == RopeLayout::interleaved;
  const RopeTable rope(config);
  result.rope_frequency.assign(rope.frequencies().begin(), rope.frequencies().end());
  result.embedding = model.token_embedding();
  result.output = model.output();
  result.output_norm = model.output_norm();
  for (const LayerParams& layer : model.layers()) {
    result.layers.push_back({layer.attn_norm, layer.ffn_norm, layer.q_bias, layer.k_bias, layer.v_bias, layer.q_norm,
                             layer.k_norm, layer.q, layer.k, layer.v, layer.o, layer.gate, layer.up, layer.down});
  }
  return result;
}

std::uint32_t cuda_capacity(std::uint32_t n_positions, std::uint32_t context_length) {
  const std::uint64_t steps = (std::uint64_t{n_positions} + kCapacityStep - 1) / kCapacityStep;
  const std::uint64_t rounded = std::min<std::uint64_t>(steps * kCapacityStep, context_length);
  return std::max(n_positions, static_cast<std::uint32_t>(rounded));
}

class CudaSequence::Sink final : public kernels::DecodeRecordSink {
 public:
  explicit Sink(Recorder& recorder) : recorder_(recorder) {}
  void record(const kernels::DecodeRecord& record) override { recorder_.record(record); }
  bool ready() const override { return recorder_.ready(); }
  void stalled() override { recorder_.stalled(); }

 private:
  Recorder& recorder_;
};

CudaSequence::CudaSequence(const Model& model, CacheType cache_type, kernels::Device device)
    : model_(model),
      cache_type_(cache_type == CacheType::f16 ? kernels::KvType::f16 : kernels::KvType::f32),
      device_(std::move(device)) {
  require_runs_on_cuda(model_);
}

CudaSequence::~CudaSequence() = default;

void CudaSequence::begin(std::uint32_t n_positions, Recorder* recorder) {
  // A sequence that broke off left records on their way to a recorder that is gone.
  const bool broken = sink_ != nullptr;
  if (broken || !decoder_ || n_positions > capacity_) {
    decoder_.reset();
    capacity_ = cuda_capacity(n_positions, model_.config().context_length);
    decoder_.emplace(decoder_model(model_), kernels::CudaDecoderOptions{device_.index, cache_type_, capacity_});
  }
  decoder_->reset();
  sink_.reset();
  if (recorder == nullptr) return;
  sink_ = std::make_unique<Sink>(*recorder);
  decoder_->start_recording(recorder->device_options(), *sink_);
}

std::uint32_t CudaSequence::block_limit(std::uint32_t, std::uint32_t wanted) const {
  constexpr std::uint32_t kAnswerInterrupts = 256;
  return std::min(wanted, kAnswerInterrupts);  // the device makes its own blocks
}

std::span<const float> CudaSequence::feed(std::span<const std::int32_t> tokens) {
  for (const std::int32_t id : tokens) {
    if (id < 0 || static_cast<std::uint32_t>(id) >= model_.config().vocab_size) {
      throw Error(fmt::format("token id {} is outside the vocabulary of {} tokens", id, model_.config().vocab_size));
    }
  }
  const std::span<const float> logits = decoder_->feed(tokens);
  if (kernels::all_finite(logits)) return logits;
  const auto bad = std::find_if(logits.begin(), logits.end(), [](float logit) { return !std::isfinite(logit); });
  throw NumericFailure(
      fmt::format("position {}: the logit of token {} is {}", decoder_->n_positions() - 1, bad - logits.begin(), *bad));
}

void CudaSequence::finish() {
  decoder_->finish();
  sink_.reset();
}

}  // namespace kvwave::capture
