#include "tests/replay/synthetic_trace.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <random>

#include "kernels/half.h"
#include "kernels/row_stats.h"
#include "traces/sha256.h"

namespace kvwave::replay {
namespace {

// Near-normal and, unlike std::normal_distribution, the same with every standard library.
class Noise {
 public:
  explicit Noise(std::uint64_t seed) : engine_(seed) {}
  float next() {
    double sum = 0;
    for (int i = 0; i < 12; ++i) sum += static_cast<double>(engine_() >> 11U) * 0x1p-53;
    return static_cast<float>(sum - 6.0);
  }

 private:
  std::mt19937_64 engine_;
};

float stored(float value, traces::FloatType type) {
  return type == traces::FloatType::f32 ? value : kernels::f16_to_f32(kernels::f32_to_f16(value));
}

std::vector<std::byte> bytes_of(std::span<const float> values, traces::FloatType type) {
  std::vector<std::byte> bytes(values.size() * traces::byte_size(type));
  if (type == traces::FloatType::f32) {
    std::memcpy(bytes.data(), values.data(), bytes.size());
    return bytes;
  }
  std::vector<std::uint16_t> half(values.size());
  kernels::f32_to_f16(values, half);
  std::memcpy(bytes.data(), half.data(), bytes.size());
  return bytes;
}

std::int32_t token_id(const SyntheticOptions& options, std::uint32_t position) {
  return static_cast<std::int32_t>((position * 37 + options.seed) % options.vocab_size);
}

traces::TraceInfo info_of(const SyntheticOptions& options) {
  traces::TraceInfo info;
  info.program_version = "test";
  info.program_commit = "unknown";
  info.command_line = "synthetic";
  info.model_name = options.model_name;
  info.architecture = "llama";
  info.model_sha256 = options.model_sha256;
  info.tokenizer_sha256 = std::string(64, 'b');
  info.shape = options.shape;
  info.vocab_size = options.vocab_size;
  info.rope_theta = 10000;
  info.rope_layout = "half";
  info.n_prompt = options.n_prompt;
  traces::Sha256 prompt;
  for (std::uint32_t p = 0; p < options.n_prompt; ++p) {
    const std::int32_t id = token_id(options, p);
    prompt.update(std::as_bytes(std::span(&id, 1)));
  }
  info.prompt_sha256 = prompt.hex();
  info.prompt_window = options.prompt_window;
  info.first_row = options.n_prompt > options.prompt_window ? options.n_prompt - options.prompt_window : 0;
  info.compute_dtype = "f32";
  info.qkv_dtype = options.qkv_dtype;
  info.attention_dtype = options.attention_dtype;
  info.device = "cpu";
  info.attention_kernel = "synthetic";
  info.seed = options.seed;
  info.levels = options.levels;
  info.epsilon = options.epsilon;
  return info;
}

void fill_row_statistics(const SyntheticTrace& trace, traces::TraceRow& row) {
  const traces::TraceInfo& info = trace.info;
  const auto type = info.attention_dtype == traces::FloatType::f16 ? kernels::ProbType::f16 : kernels::ProbType::f32;
  std::vector<std::uint32_t> demand(info.rho.size());
  for (std::uint32_t layer = 0; layer < info.shape.n_layers; ++layer) {
    for (std::uint32_t q_head = 0; q_head < info.shape.n_q_heads; ++q_head) {
      const std::vector<float> prob = trace.row(row.position, layer, q_head);
      if (info.levels.stats) {
        kernels::RowStats stats;
        kernels::row_stats_reference(prob, info.rho, traces::kStatSinks, traces::kStatRecent, demand, stats);
        row.demand.insert(row.demand.end(), demand.begin(), demand.end());
        row.entropy.push_back(stats.entropy);
        row.sink_mass.push_back(stats.sink_mass);
        row.recent_mass.push_back(stats.recent_mass);
        row.max_prob.push_back(stats.max_prob);
      }
      if (info.levels.attention) {
        const std::size_t before = row.attention_position.size();
        row.attention_residual.push_back(
            kernels::select_covering_reference(prob, info.epsilon, type, row.attention_position, row.attention_prob));
        row.attention_count.push_back(static_cast<std::uint32_t>(row.attention_position.size() - before));
      }
    }
  }
}

}  // namespace

std::span<const float> SyntheticTrace::q_at(std::uint32_t position, std::uint32_t layer, std::uint32_t q_head) const {
  const traces::ModelShape& s = info.shape;
  const std::size_t at = ((std::size_t{position} * s.n_layers + layer) * s.n_q_heads + q_head) * s.head_dim;
  return std::span(q).subspan(at, s.head_dim);
}

std::span<const float> SyntheticTrace::k_at(std::uint32_t position, std::uint32_t layer, std::uint32_t kv_head) const {
  const traces::ModelShape& s = info.shape;
  const std::size_t at = ((std::size_t{position} * s.n_layers + layer) * s.n_kv_heads + kv_head) * s.head_dim;
  return std::span(k).subspan(at, s.head_dim);
}

std::span<const float> SyntheticTrace::v_at(std::uint32_t position, std::uint32_t layer, std::uint32_t kv_head) const {
  const traces::ModelShape& s = info.shape;
  const std::size_t at = ((std::size_t{position} * s.n_layers + layer) * s.n_kv_heads + kv_head) * s.head_dim;
  return std::span(v).subspan(at, s.head_dim);
}

std::vector<float> SyntheticTrace::row(std::uint32_t position, std::uint32_t layer, std::uint32_t q_head) const {
  const std::span<const float> query = q_at(position, layer, q_head);
  std::vector<double> logit(position + 1);
  for (std::uint32_t j = 0; j <= position; ++j) {
    const std::span<const float> key = k_at(j, layer, q_head / info.shape.group());
    double dot = 0;
    for (std::size_t c = 0; c < query.size(); ++c) dot += double{query[c]} * double{key[c]};
    logit[j] = dot / std::sqrt(static_cast<double>(query.size()));
  }
  const double peak = *std::max_element(logit.begin(), logit.end());
  double sum = 0;
  for (double& x : logit) {
    x = std::exp(x - peak);
    sum += x;
  }
  std::vector<float> prob(logit.size());
  std::transform(logit.begin(), logit.end(), prob.begin(), [sum](double x) { return static_cast<float>(x / sum); });
  return prob;
}

SyntheticTrace make_synthetic(const SyntheticOptions& options) {
  SyntheticTrace trace;
  trace.info = info_of(options);
  trace.n_positions = options.n_positions;
  const traces::ModelShape& s = options.shape;
  Noise noise(options.seed);

  constexpr std::size_t kClusters = 7;
  std::vector<float> cluster(kClusters * s.n_layers * s.n_kv_heads * s.head_dim);
  for (float& x : cluster) x = noise.next();
  const std::size_t kv_row = std::size_t{s.n_layers} * s.n_kv_heads * s.head_dim;
  for (std::uint32_t p = 0; p < options.n_positions; ++p) {
    const float* centre = cluster.data() + (p * 5 % kClusters) * kv_row;
    for (std::size_t i = 0; i < kv_row; ++i) {
      const float sink = p == 0 && i % s.head_dim == 0 ? 2.0F : 0.0F;
      trace.k.push_back(stored(0.75F * centre[i] + 0.65F * noise.next() + sink, options.qkv_dtype));
      trace.v.push_back(stored(noise.next(), options.qkv_dtype));
    }
    for (std::size_t i = 0; i < std::size_t{s.n_layers} * s.n_q_heads * s.head_dim; ++i) {
      const float bias = i % s.head_dim == 0 ? 1.0F : 0.0F;  // towards the sink's first component
      trace.q.push_back(stored(options.sharpness * (noise.next() + bias), options.qkv_dtype));
    }
  }
  return trace;
}

void write_trace(const std::filesystem::path& path, const SyntheticTrace& trace, const SyntheticOptions& options,
                 const RowEdit& edit) {
  const traces::ModelShape& s = options.shape;
  const std::size_t q_row = std::size_t{s.n_layers} * s.n_q_heads * s.head_dim;
  const std::size_t kv_row = std::size_t{s.n_layers} * s.n_kv_heads * s.head_dim;

  traces::WriterOptions writer_options;
  writer_options.overwrite = true;
  writer_options.sync_on_finish = false;
  traces::TraceWriter writer(path, trace.info, writer_options);
  for (std::uint32_t p = 0; p < options.n_positions; ++p) {
    std::unique_ptr<traces::TraceRow> row = writer.acquire();
    *row = traces::TraceRow{};  // lent rows keep what they held
    row->position = p;
    if (options.levels.tokens) {
      row->token_id = token_id(options, p);
      row->logprob = p < options.n_prompt ? std::numeric_limits<float>::quiet_NaN() : -0.5F;
      row->token_bytes = std::to_string(row->token_id) + " ";
    }
    if (p >= trace.info.first_row) fill_row_statistics(trace, *row);
    if (options.levels.qkv) {
      row->q = bytes_of(std::span(trace.q).subspan(p * q_row, q_row), options.qkv_dtype);
      row->k = bytes_of(std::span(trace.k).subspan(p * kv_row, kv_row), options.qkv_dtype);
      row->v = bytes_of(std::span(trace.v).subspan(p * kv_row, kv_row), options.qkv_dtype);
    }
    if (edit) edit(*row);
    writer.submit(std::move(row));
  }
  writer.finish(traces::StopReason::token_limit);
}

void write_synthetic(const std::filesystem::path& path, const SyntheticOptions& options, const RowEdit& edit) {
  write_trace(path, make_synthetic(options), options, edit);
}

}  // namespace kvwave::replay
