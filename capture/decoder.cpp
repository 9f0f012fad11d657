#include "capture/decoder.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include <fmt/format.h>

#include "capture/attention_units.h"
#include "capture/error.h"
#include "capture/rope_table.h"
#include "kernels/cpu_features.h"
#include "kernels/decode_attention.h"
#include "kernels/half.h"
#include "kernels/projection.h"
#include "kernels/transformer_ops.h"

namespace kvwave::capture {

namespace {

constexpr std::uint32_t kMaxBlock = 192;  // whole tiles of matmul on every path; each expands all parameters once
constexpr std::uint32_t kQueries = 4;     // positions of a block that attend together

std::uint32_t checked_max_positions(const ModelConfig& config, std::uint32_t asked) {
  if (asked > config.context_length) {
    throw ContextTooLong(
        fmt::format("{} positions do not fit the model's context length of {}", asked, config.context_length));
  }
  return asked > 0 ? asked : config.context_length;
}

}  // namespace

class Decoder::Impl {
 public:
  Impl(const Model& model, const DecoderOptions& options, kernels::ThreadPool& pool);

  std::span<const float> feed(std::span<const std::int32_t> tokens, AttentionTap* tap);

  kernels::KvCache cache_;
  std::uint32_t max_positions_;
  std::uint32_t n_positions_ = 0;

 private:
  // Rows of one block of positions in the residual stream and between the steps of a layer.
  struct Buffers {
    std::vector<float> x, normed, q, k, v, attended, gate;
    std::vector<std::byte> q_stored, k_stored, v_stored;  // what attention uses, in the cache's type
  };

  // Of neighbouring positions and the query heads of one unit.
  struct AttentionScratch {
    std::vector<float> rows, q, out;
    void make_room(std::size_t n_rows, std::size_t n_q) {
      if (rows.size() < n_rows) rows.resize(n_rows);
      if (q.size() < n_q) q.resize(n_q);
      if (out.size() < n_q) out.resize(n_q);
    }
  };

  void check_tokens(std::span<const std::int32_t> tokens) const;
  void run_block(std::span<const std::int32_t> tokens, AttentionTap* tap);
  void normalise(std::span<const float> weight, std::uint32_t layer);
  void project_qkv(const LayerParams& params, std::uint32_t layer);
  void store_qkv(const LayerParams& params, std::uint32_t layer, AttentionTap* tap);
  void attend(std::uint32_t layer, AttentionTap* tap);
  void feed_forward(const LayerParams& params, std::uint32_t layer);
  void round_to_cache(std::span<float> values, std::byte* stored) const;
  void compute_logits();

  const Model& model_;
  const ModelConfig& config_;
  kernels::ThreadPool& pool_;
  kernels::Projector projector_;
  RopeTable rope_;
  std::uint32_t q_width_, kv_width_;
  std::uint32_t block_ = 0;  // positions of the current block
  Buffers b_;
  std::vector<AttentionUnit> step_units_, block_units_;
  std::vector<AttentionScratch> attention_;  // one per worker
  std::vector<float> logits_;
};

Decoder::Impl::Impl(const Model& model, const DecoderOptions& options, kernels::ThreadPool& pool)
    : cache_(options.cache_type == CacheType::f16 ? kernels::KvType::f16 : kernels::KvType::f32,
             model.config().n_layers, model.config().n_kv_heads, model.config().head_dim),
      max_positions_(checked_max_positions(model.config(), options.max_positions)),
      model_(model),
      config_(model.config()),
      pool_(pool),
      projector_(pool),
      rope_(model.config()),
      q_width_(config_.n_q_heads * config_.head_dim),
      kv_width_(config_.n_kv_heads * config_.head_dim),
      step_units_(attention_units(config_.n_q_heads, config_.n_kv_heads, pool.size())),
      block_units_(attention_units(config_.n_q_heads, config_.n_kv_heads, 1)),
      attention_(pool.size()),
      logits_(config_.vocab_size) {
  b_.x.resize(std::size_t{kMaxBlock} * config_.hidden);
  b_.normed.resize(b_.x.size());
  b_.q.resize(std::size_t{kMaxBlock} * q_width_);
  b_.attended.resize(b_.q.size());
  b_.k.resize(std::size_t{kMaxBlock} * kv_width_);
  b_.v.resize(b_.k.size());
  b_.gate.resize(std::size_t{kMaxBlock} * config_.ffn);
  b_.q_stored.resize(b_.q.size() * cache_.value_bytes());
  b_.k_stored.resize(b_.k.size() * cache_.value_bytes());
  b_.v_stored.resize(b_.v.size() * cache_.value_bytes());
}

std::span<const float> Decoder::Impl::feed(std::span<const std::int32_t> tokens, AttentionTap* tap) {
  check_tokens(tokens);
  while (!tokens.empty()) {
    const auto block = tokens.first(std::min<std::size_t>(tokens.size(), kMaxBlock));
    run_block(block, tap);
    tokens = tokens.subspan(block.size());
  }
  compute_logits();
  return logits_;
}

void Decoder::Impl::check_tokens(std::span<const std::int32_t> tokens) const {
  if (tokens.empty()) throw Error("the decoder was given no token");
  if (tokens.size() > max_positions_ - n_positions_) {
    throw ContextTooLong(fmt::format("{} tokens after the {} already there do not fit a KV cache of {} positions",
                                     tokens.size(), n_positions_, max_positions_));
  }
  for (const std::int32_t id : tokens) {
    if (id < 0 || static_cast<std::uint32_t>(id) >= config_.vocab_size) {
      throw Error(fmt::format("token id {} is outside the vocabulary of {} tokens", id, config_.vocab_size));
    }
  }
}

void Decoder::Impl::run_block(std::span<const std::int32_t> tokens, AttentionTap* tap) {
  block_ = static_cast<std::uint32_t>(tokens.size());
  cache_.reserve(n_positions_ + block_);
  if (tap != nullptr) tap->begin_block(n_positions_, block_);
  const kernels::ParamMatrix& embedding = model_.token_embedding();
  for (std::uint32_t p = 0; p < block_; ++p) {
    kernels::dequantise_row(embedding.type, embedding.row(static_cast<std::size_t>(tokens[p])),
                            {b_.x.data() + std::size_t{p} * config_.hidden, config_.hidden});
  }
  rope_.set_block(n_positions_, block_);
  for (std::uint32_t layer = 0; layer < config_.n_layers; ++layer) {
    const LayerParams& params = model_.layers()[layer];
    project_qkv(params, layer);
    store_qkv(params, layer, tap);
    attend(layer, tap);
    feed_forward(params, layer);
  }
  n_positions_ += block_;
  if (tap != nullptr) tap->end_block();
}

void Decoder::Impl::normalise(std::span<const float> weight, std::uint32_t layer) {
  for (std::uint32_t p = 0; p < block_; ++p) {
    const std::size_t at = std::size_t{p} * config_.hidden;
    const double mean_square = kernels::rms_norm({b_.x.data() + at, config_.hidden}, weight, config_.rms_epsilon,
                                                 {b_.normed.data() + at, config_.hidden});
    if (!std::isfinite(mean_square)) {
      throw NumericFailure(
          fmt::format("position {}: the hidden state of layer {} is not finite", n_positions_ + p, layer));
    }
  }
}

void Decoder::Impl::project_qkv(const LayerParams& params, std::uint32_t layer) {
  normalise(params.attn_norm, layer);
  const kernels::Projection qkv[] = {{&params.q, params.q_bias, b_.q.data(), q_width_},
                                     {&params.k, params.k_bias, b_.k.data(), kv_width_},
                                     {&params.v, params.v_bias, b_.v.data(), kv_width_}};
  projector_.project(qkv, {b_.normed.data(), block_, config_.hidden});
}

void Decoder::Impl::round_to_cache(std::span<float> values, std::byte* stored) const {
  if (cache_.type() == kernels::KvType::f32) {
    std::copy_n(reinterpret_cast<const std::byte*>(values.data()), values.size_bytes(), stored);
    return;
  }
  const std::span<std::uint16_t> halves{reinterpret_cast<std::uint16_t*>(stored), values.size()};
  kernels::f32_to_f16(values, halves);
  kernels::f16_to_f32(halves, values);
}

void Decoder::Impl::store_qkv(const LayerParams& params, std::uint32_t layer, AttentionTap* tap) {
  const std::size_t q_bytes = q_width_ * cache_.value_bytes();
  const std::size_t kv_bytes = kv_width_ * cache_.value_bytes();
  const auto normalise_heads = [&](std::span<float> heads, std::span<const float> weight) {
    if (weight.empty()) return;
    for (std::size_t first = 0; first < heads.size(); first += config_.head_dim) {
      const auto head = heads.subspan(first, config_.head_dim);
      kernels::rms_norm(head, weight, config_.rms_epsilon, head);
    }
  };
  for (std::uint32_t p = 0; p < block_; ++p) {
    const std::span<float> q{b_.q.data() + std::size_t{p} * q_width_, q_width_};
    const std::span<float> k{b_.k.data() + std::size_t{p} * kv_width_, kv_width_};
    const std::span<float> v{b_.v.data() + std::size_t{p} * kv_width_, kv_width_};
    normalise_heads(q, params.q_norm);
    normalise_heads(k, params.k_norm);
    rope_.rotate(p, q);
    rope_.rotate(p, k);
    round_to_cache(q, b_.q_stored.data() + p * q_bytes);
    round_to_cache(k, b_.k_stored.data() + p * kv_bytes);
    round_to_cache(v, b_.v_stored.data() + p * kv_bytes);
    const std::span<const std::byte> k_stored{b_.k_stored.data() + p * kv_bytes, kv_bytes};
    const std::span<const std::byte> v_stored{b_.v_stored.data() + p * kv_bytes, kv_bytes};
    cache_.store(layer, n_positions_ + p, k_stored, v_stored);
    if (tap != nullptr && tap->wants_qkv()) {
      tap->qkv(layer, n_positions_ + p, {b_.q_stored.data() + p * q_bytes, q_bytes}, k_stored, v_stored);
    }
  }
}

void Decoder::Impl::attend(std::uint32_t layer, AttentionTap* tap) {
  const std::vector<AttentionUnit>& units = block_ == 1 ? step_units_ : block_units_;
  const std::size_t n_groups = (block_ + kQueries - 1) / kQueries;
  pool_.parallel_for(n_groups * units.size(), [&](std::size_t task, unsigned worker) {
    const auto begin = static_cast<std::uint32_t>(task / units.size()) * kQueries;
    const AttentionUnit& unit = units[task % units.size()];
    const std::uint32_t n_queries = std::min(kQueries, block_ - begin);
    const std::uint32_t first = n_positions_ + begin;
    const std::size_t stride = kernels::attention_row_stride(first + n_queries);
    const std::size_t width = std::size_t{unit.n_q_heads} * config_.head_dim;
    AttentionScratch& scratch = attention_[worker];
    scratch.make_room(n_queries * unit.n_q_heads * stride, n_queries * width);
    const auto at = [&](std::uint32_t i) {
      return std::size_t{begin + i} * q_width_ + std::size_t{unit.first_q_head} * config_.head_dim;
    };
    for (std::uint32_t i = 0; i < n_queries; ++i) std::copy_n(b_.q.data() + at(i), width, scratch.q.data() + i * width);
    kernels::block_attention(cache_, layer, unit.kv_head, first, n_queries, {scratch.q.data(), n_queries * width},
                             unit.n_q_heads, scratch.rows, {scratch.out.data(), n_queries * width});
    for (std::uint32_t i = 0; i < n_queries; ++i) {
      std::copy_n(scratch.out.data() + i * width, width, b_.attended.data() + at(i));
      if (tap == nullptr || !tap->wants_row(first + i)) continue;
      const float* rows = scratch.rows.data() + i * unit.n_q_heads * stride;
      for (std::uint32_t h = 0; h < unit.n_q_heads; ++h)
        tap->attn_row(layer, unit.first_q_head + h, first + i, {rows + h * stride, first + i + 1}, worker);
    }
  });
}

void Decoder::Impl::feed_forward(const LayerParams& params, std::uint32_t layer) {
  const std::span<float> x{b_.x.data(), std::size_t{block_} * config_.hidden};
  const std::span<float> update{b_.normed.data(), x.size()};
  const kernels::Projection o{&params.o, {}, update.data(), config_.hidden};
  projector_.project({&o, 1}, {b_.attended.data(), block_, q_width_});
  kernels::add(x, update);
  normalise(params.ffn_norm, layer);
  projector_.project_swiglu(params.gate, params.up, {b_.normed.data(), block_, config_.hidden}, b_.gate.data(),
                            config_.ffn);
  const kernels::Projection down{&params.down, {}, update.data(), config_.hidden};
  projector_.project({&down, 1}, {b_.gate.data(), block_, config_.ffn});
  kernels::add(x, update);
}

void Decoder::Impl::compute_logits() {
  const std::uint32_t position = n_positions_ - 1;
  const std::span<const float> x{b_.x.data() + std::size_t{block_ - 1} * config_.hidden, config_.hidden};
  const std::span<float> normed{b_.normed.data(), config_.hidden};
  kernels::rms_norm(x, model_.output_norm(), config_.rms_epsilon, normed);
  const kernels::Projection output{&model_.output(), {}, logits_.data(), config_.vocab_size};
  projector_.project({&output, 1}, {normed.data(), 1, config_.hidden});
  if (kernels::all_finite(logits_)) return;
  const auto bad = std::find_if(logits_.begin(), logits_.end(), [](float logit) { return !std::isfinite(logit); });
  throw NumericFailure(fmt::format("position {}: the logit of token {} is {}", position, bad - logits_.begin(), *bad));
}

DecoderMemory decoder_memory(const ModelConfig& c, CacheType cache_type, std::uint32_t positions, unsigned threads) {
  const auto type = cache_type == CacheType::f16 ? kernels::KvType::f16 : kernels::KvType::f32;
  const kernels::KvCache cache(type, c.n_layers, c.n_kv_heads, c.head_dim);
  const std::uint64_t q = std::uint64_t{c.n_q_heads} * c.head_dim, kv = std::uint64_t{c.n_kv_heads} * c.head_dim;
  const std::uint64_t block = 2 * std::uint64_t{c.hidden} + 2 * q + 2 * kv + c.ffn;
  const std::uint64_t group = c.n_q_heads / c.n_kv_heads;
  const std::uint64_t per_thread =
      kQueries * group * (kernels::attention_row_stride(positions) + 2 * std::uint64_t{c.head_dim}) +
      kernels::matmul_scratch_values(kMaxBlock);
  const std::uint64_t tiles = kernels::activation_tile_values(kMaxBlock, std::max<std::uint64_t>({c.hidden, q, c.ffn}));
  return {cache.bytes(positions), sizeof(float) * (kMaxBlock * block + tiles + threads * per_thread + c.vocab_size) +
                                      kMaxBlock * (q + 2 * kv) * cache.value_bytes()};
}

Decoder::Decoder(const Model& model, const DecoderOptions& options, kernels::ThreadPool& pool)
    : impl_(std::make_unique<Impl>(model, options, pool)) {}

Decoder::~Decoder() = default;

std::span<const float> Decoder::feed(std::span<const std::int32_t> tokens, AttentionTap* tap) {
  return impl_->feed(tokens, tap);
}

void Decoder::reset() {
  impl_->n_positions_ = 0;
}
std::uint32_t Decoder::n_positions() const {
  return impl_->n_positions_;
}
std::uint32_t Decoder::max_block() const {
  return kMaxBlock;
}
std::uint64_t Decoder::cache_bytes() const {
  return impl_->cache_.bytes(impl_->max_positions_);
}

const char* Decoder::attention_kernel() {
  switch (kernels::simd_path()) {
    case kernels::SimdPath::avx512:
      return "cpu-avx512";
    case kernels::SimdPath::avx2:
      return "cpu-avx2";
    case kernels::SimdPath::baseline:
      break;
  }
  return "cpu-baseline";
}

}  // namespace kvwave::capture
