#include "tests/bench/long_trace.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>
#include <string>

#include "kernels/half.h"
#include "traces/command_line.h"

namespace kvwave::bench {
namespace {

constexpr float kSharpness = 2.0F;  // standard deviation of the logits
constexpr float kToSink = 1.5F;     // of every query, along the sink key's first channel
constexpr float kSinkKey = 3.0F;
constexpr std::uint32_t kClusters = 61;  // of keys; the share of a key's variance that its cluster explains: 0.75^2
constexpr std::uint32_t kVocabulary = 32000;
enum Kind : std::uint32_t { kQuery = 1, kValue, kCentre, kSpread, kDemand, kEntry };

/// Uniform in [0, 1).
double fraction(std::uint64_t word) {
  return static_cast<double>(mixed(word) >> 11U) * 0x1p-53;
}

void append(std::span<const std::uint16_t> halves, std::vector<std::byte>& out) {
  const auto bytes = std::as_bytes(halves);
  out.insert(out.end(), bytes.begin(), bytes.end());
}

traces::TraceInfo info_of(const LongTraceOptions& options) {
  traces::TraceInfo info;
  const auto [version, commit] = traces::program_version();
  info.program_version = version;
  info.program_commit = commit;
  info.command_line = "make_long_trace";
  info.model_name = "made-up";
  info.architecture = "llama";
  info.model_sha256 = std::string(64, '0');
  info.tokenizer_sha256 = std::string(64, '0');
  info.shape = options.shape;
  info.vocab_size = kVocabulary;
  info.rope_theta = 500000;
  info.rope_layout = "interleaved";
  info.n_prompt = options.n_prompt;
  info.prompt_sha256 = std::string(64, '0');
  info.first_row = options.n_prompt - std::min(options.n_prompt, info.prompt_window);
  info.compute_dtype = "f32";
  info.device = "none";
  info.attention_kernel = "none";
  info.seed = options.seed;
  info.levels = options.levels;
  return info;
}

}  // namespace

LongTrace::LongTrace(const LongTraceOptions& options)
    : options_(options),
      info_(info_of(options)),
      query_(options.seed * 4 + 0, kSharpness, options.shape.head_dim),
      value_(options.seed * 4 + 1, 1.0F, options.shape.head_dim),
      centre_(options.seed * 4 + 2, 0.75F, options.shape.head_dim),
      spread_(options.seed * 4 + 3, 0.65F, options.shape.head_dim) {}

std::uint64_t LongTrace::place(std::uint32_t kind, std::uint32_t position, std::uint32_t index) const {
  return (std::uint64_t{kind} << 56U) ^ (options_.seed << 50U) ^ (std::uint64_t{position} << 24U) ^ index;
}

void LongTrace::fill(std::uint32_t position, traces::TraceRow& row) {
  row.position = position;
  if (options_.levels.tokens) {
    row.token_id = static_cast<std::int32_t>(mixed(place(0, position, 0)) % kVocabulary);
    row.logprob = position < options_.n_prompt ? std::numeric_limits<float>::quiet_NaN() : -0.7F;
    row.token_bytes = " t" + std::to_string(row.token_id);
  }
  if (position >= info_.first_row) {
    if (options_.levels.stats) fill_stats(position, row);
    if (options_.levels.attention) fill_attention(position, row);
  }
  if (options_.levels.qkv) fill_vectors(position, row);
}

// A wave over the layers, as real models show: a high start, an oscillating middle, a rise at the end; it grows with
// the root of the length and swells and ebbs with the steps.
void LongTrace::fill_stats(std::uint32_t position, traces::TraceRow& row) const {
  const traces::ModelShape& s = options_.shape;
  const double length = position + 1.0;
  for (std::uint32_t layer = 0; layer < s.n_layers; ++layer) {
    const double depth = s.n_layers > 1 ? static_cast<double>(layer) / (s.n_layers - 1) : 0.0;
    const double wave = 0.35 + 2.0 * std::exp(-9 * depth) + 0.9 * std::exp(-12 * (1 - depth)) +
                        0.2 * std::sin(21 * depth) + 0.15 * std::sin(0.004 * position + 9 * depth);
    for (std::uint32_t q_head = 0; q_head < s.n_q_heads; ++q_head) {
      const std::uint32_t index = layer * s.n_q_heads + q_head;
      const double own = 0.4 + 1.2 * fraction(place(kDemand, 0, index));
      const double jitter = 0.8 + 0.4 * fraction(place(kDemand, position, index));
      const double demand = 4.0 * std::sqrt(length) * wave * own * jitter;
      for (const double rho : info_.rho) {
        const double scaled = demand * -std::log(1.0 - std::min(rho, 0.9999)) / -std::log(0.07);
        row.demand.push_back(static_cast<std::uint32_t>(std::clamp(scaled, 1.0, length)));
      }
      const double sink = std::min(0.9, 0.6 / (0.5 + wave * own));
      row.entropy.push_back(static_cast<float>(std::log(std::clamp(demand, 1.0, length))));
      row.sink_mass.push_back(static_cast<float>(sink));
      row.recent_mass.push_back(static_cast<float>(std::min(0.3, 1 - sink)));
      row.max_prob.push_back(static_cast<float>(0.7 * sink));
    }
  }
}

// The sink, some positions anywhere and the newest one, with shares that fall off; what is left is the residual.
void LongTrace::fill_attention(std::uint32_t position, traces::TraceRow& row) const {
  const traces::ModelShape& s = options_.shape;
  const std::uint32_t count = std::min(options_.entries_per_row, position + 1);
  for (std::uint32_t index = 0; index < s.n_layers * s.n_q_heads; ++index) {
    // One position from each of `count` equal stretches: ascending, without a repetition.
    double stored = 0;
    double share = 0.5;
    for (std::uint32_t i = 0; i < count; ++i, share *= 0.75) {
      const std::uint64_t begin = std::uint64_t{position + 1} * i / count;
      const std::uint64_t end = std::uint64_t{position + 1} * (i + 1) / count;
      const std::uint64_t within = i == 0 ? 0 : mixed(place(kEntry, position, index * count + i)) % (end - begin);
      row.attention_position.push_back(static_cast<std::uint32_t>(begin + within));
      const std::uint16_t prob = kernels::f32_to_f16_toward_zero(static_cast<float>(0.49 * share));
      stored += static_cast<double>(kernels::f16_to_f32(prob));
      append({&prob, 1}, row.attention_prob);
    }
    row.attention_count.push_back(count);
    row.attention_residual.push_back(std::nextafter(static_cast<float>(1.0 - stored), 2.0F));
  }
}

void LongTrace::fill_vectors(std::uint32_t position, traces::TraceRow& row) {
  const traces::ModelShape& s = options_.shape;
  const std::uint32_t cluster = position * 17 % kClusters;
  for (std::uint32_t index = 0; index < s.n_layers * s.n_q_heads; ++index) {
    append(query_.halves_at(place(kQuery, position, index), s.head_dim), row.q);
    const std::uint16_t biased = kernels::f32_to_f16(query_.at(place(kQuery, position, index), 1)[0] + kToSink);
    std::memcpy(row.q.data() + row.q.size() - std::size_t{s.head_dim} * sizeof biased, &biased, sizeof biased);
  }
  key_.resize(std::size_t{s.n_layers} * s.n_kv_heads * s.head_dim);
  key_half_.resize(key_.size());
  for (std::uint32_t index = 0; index < s.n_layers * s.n_kv_heads; ++index) {
    const std::span<const float> centre = centre_.at(place(kCentre, cluster, index), s.head_dim);
    const std::span<const float> spread = spread_.at(place(kSpread, position, index), s.head_dim);
    float* key = key_.data() + std::size_t{index} * s.head_dim;
    for (std::uint32_t c = 0; c < s.head_dim; ++c) key[c] = centre[c] + spread[c];
    if (position == 0) key[0] += kSinkKey * std::sqrt(static_cast<float>(s.head_dim));
    append(value_.halves_at(place(kValue, position, index), s.head_dim), row.v);
  }
  kernels::f32_to_f16(key_, key_half_);
  append(key_half_, row.k);
}

}  // namespace kvwave::bench
