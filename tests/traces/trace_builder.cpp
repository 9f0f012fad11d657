#include "tests/traces/trace_builder.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include <fmt/format.h>

#include "traces/sha256.h"

namespace kvwave::traces::testing {
namespace {

/// SplitMix64: small, good enough, and the same on every platform.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15ULL);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
  }
  float unit() { return static_cast<float>(next() >> 40) / 16777216.0F; }

 private:
  std::uint64_t state_;
};

/// Appends a number of a few mantissa bits, so that both storage types hold it exactly.
void append_float(std::vector<std::byte>& out, FloatType type, float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::size_t size = out.size();
  out.resize(size + byte_size(type));
  if (type == FloatType::f32) {
    std::memcpy(out.data() + size, &bits, 4);
    return;
  }
  const auto half = static_cast<std::uint16_t>(
      ((bits >> 16) & 0x8000U) | (value == 0 ? 0 : ((((bits >> 23) & 0xFFU) - 112U) << 10) | ((bits >> 13) & 0x3FFU)));
  std::memcpy(out.data() + size, &half, 2);
}

float read_float(const std::vector<std::byte>& in, FloatType type, std::size_t index) {
  if (type == FloatType::f32) {
    float value = 0;
    std::memcpy(&value, in.data() + 4 * index, 4);
    return value;
  }
  std::uint16_t half = 0;
  std::memcpy(&half, in.data() + 2 * index, 2);
  if ((half & 0x7FFFU) == 0) return 0;
  const auto exponent = static_cast<int>((half >> 10) & 31U) - 25;
  const float magnitude = std::ldexp(static_cast<float>((half & 0x3FFU) | 0x400U), exponent);
  return (half & 0x8000U) != 0 ? -magnitude : magnitude;
}

float short_float(Random& random) {
  const auto mantissa = static_cast<float>(512 + random.next() % 512);
  const auto exponent = static_cast<int>(random.next() % 6) - 12;
  return (random.next() % 2 == 0 ? 1.0F : -1.0F) * std::ldexp(mantissa, exponent);
}

void fill_attention(const MadeUp& options, Random& random, TraceRow& row) {
  const std::size_t heads = std::size_t{options.shape.n_layers} * options.shape.n_q_heads;
  for (std::size_t head = 0; head < heads; ++head) {
    std::uint32_t count = 0;
    for (std::uint32_t position = 0; position <= row.position; ++position) {
      if (random.unit() > options.kept_share) continue;
      row.attention_position.push_back(position);
      append_float(row.attention_prob, options.attention_dtype, std::fabs(short_float(random)) / 64);
      ++count;
    }
    row.attention_count.push_back(count);
    row.attention_residual.push_back(random.unit());
  }
}

void fill_stats(const MadeUp& options, Random& random, TraceRow& row) {
  const std::size_t heads = std::size_t{options.shape.n_layers} * options.shape.n_q_heads;
  for (std::size_t head = 0; head < heads; ++head) {
    for (std::size_t i = 0; i < options.rho.size(); ++i) {
      row.demand.push_back(static_cast<std::uint32_t>(1 + random.next() % (row.position + 1)));
    }
    row.entropy.push_back(random.unit() * 5);
    row.sink_mass.push_back(random.unit());
    row.recent_mass.push_back(random.unit());
    row.max_prob.push_back(random.unit());
  }
}

}  // namespace

TraceInfo made_up_info(const MadeUp& options) {
  TraceInfo info;
  info.program_version = "test";
  info.program_commit = "unknown";
  info.command_line = "kvwave capture --test";
  info.model_name = "made-up";
  info.architecture = "llama";
  info.model_sha256 = info.tokenizer_sha256 = std::string(64, '0');
  info.shape = options.shape;
  info.vocab_size = 1000;
  info.rope_theta = 10000;
  info.rope_layout = "half";
  info.n_prompt = options.n_prompt;
  info.prompt_sha256 = Sha256().hex();
  info.first_row = options.n_prompt > info.prompt_window ? options.n_prompt - info.prompt_window : 0;
  info.compute_dtype = "f32";
  info.qkv_dtype = options.qkv_dtype;
  info.attention_dtype = options.attention_dtype;
  info.device = "cpu";
  info.attention_kernel = "none";
  info.seed = options.seed;
  info.levels = options.levels;
  info.rho = options.rho;
  return info;
}

void fill_row(const MadeUp& options, std::uint32_t position, TraceRow& row) {
  Random random(options.seed * 1000003 + position);
  row.position = position;
  row.token_id = static_cast<std::int32_t>(random.next() % 1000);
  row.logprob = position < options.n_prompt ? std::numeric_limits<float>::quiet_NaN() : -random.unit();
  row.nan_count = position % 7 == 0 ? 1 : 0;
  const std::uint64_t letters = random.next() % 9;
  for (std::uint64_t i = 0; i < letters; ++i) row.token_bytes.push_back(static_cast<char>(random.next() % 256));
  const bool recorded = position + kPromptWindow >= options.n_prompt;
  if (options.levels.stats && recorded) fill_stats(options, random, row);
  if (options.levels.attention && recorded) fill_attention(options, random, row);
  if (!options.levels.qkv) return;
  const ModelShape& shape = options.shape;
  const std::size_t per_head = std::size_t{shape.n_layers} * shape.head_dim;
  for (std::size_t i = 0; i < per_head * shape.n_q_heads; ++i)
    append_float(row.q, options.qkv_dtype, short_float(random));
  for (std::size_t i = 0; i < per_head * shape.n_kv_heads; ++i)
    append_float(row.k, options.qkv_dtype, short_float(random));
  for (std::size_t i = 0; i < per_head * shape.n_kv_heads; ++i)
    append_float(row.v, options.qkv_dtype, short_float(random));
}

void write_trace(const std::filesystem::path& path, const MadeUp& options, const WriterOptions& writer_options) {
  TraceWriter writer(path, made_up_info(options), writer_options);
  for (std::uint32_t position = 0; position < options.n_positions; ++position) {
    auto row = writer.acquire();
    fill_row(options, position, *row);
    writer.submit(std::move(row));
  }
  writer.finish(StopReason::token_limit);
}

namespace {

/// Compares one kind of value of one position; remembers the first difference in words.
class Comparison {
 public:
  explicit Comparison(std::uint32_t position) : position_(position) {}
  template <class Actual, class Expected>
  void operator()(const char* what, const Actual& actual, const Expected& expected) {
    if (!text_.empty()) return;
    if (!std::equal(std::begin(actual), std::end(actual), std::begin(expected), std::end(expected))) {
      text_ = fmt::format("{} differs at position {}", what, position_);
    }
  }
  const std::string& text() const { return text_; }

 private:
  std::uint32_t position_;
  std::string text_;
};

void compare_stats(const TraceReader& reader, const MadeUp& options, const TraceRow& row, Comparison& compare) {
  const std::size_t heads = std::size_t{options.shape.n_layers} * options.shape.n_q_heads;
  const bool recorded = !row.demand.empty();
  const std::uint32_t at = row.position;
  std::vector<std::uint32_t> demand(heads * options.rho.size());
  reader.demand(at, at + 1, demand);
  compare("demand", demand, recorded ? row.demand : std::vector<std::uint32_t>(demand.size(), 0));
  std::vector<float> layer_demand(options.shape.n_layers * options.rho.size());
  std::vector<float> mean(layer_demand.size(), 0);
  for (std::size_t i = 0; i < row.demand.size(); ++i) {
    const std::size_t layer = i / options.rho.size() / options.shape.n_q_heads;
    mean[layer * options.rho.size() + i % options.rho.size()] += static_cast<float>(row.demand[i]);
  }
  for (float& value : mean) value = static_cast<float>(static_cast<double>(value) / options.shape.n_q_heads);
  reader.layer_demand(at, at + 1, layer_demand);
  compare("layer_demand", layer_demand, mean);
  const auto scalar = [&](RowScalar which, const char* name, const std::vector<float>& expected) {
    std::vector<float> values(heads);
    reader.row_scalar(which, at, at + 1, values);
    compare(name, values, recorded ? expected : std::vector<float>(heads, 0.0F));
  };
  scalar(RowScalar::entropy, "entropy", row.entropy);
  scalar(RowScalar::sink_mass, "sink_mass", row.sink_mass);
  scalar(RowScalar::recent_mass, "recent_mass", row.recent_mass);
  scalar(RowScalar::max_prob, "max_prob", row.max_prob);
}

void compare_attention(const TraceReader& reader, const MadeUp& options, const TraceRow& row, Comparison& compare) {
  AttentionRows rows;
  reader.attention(row.position, rows);
  std::size_t next = 0;
  for (std::uint32_t layer = 0; layer < options.shape.n_layers; ++layer) {
    for (std::uint32_t q_head = 0; q_head < options.shape.n_q_heads; ++q_head) {
      const AttentionRow read = rows.row(layer, q_head);
      const std::size_t index = std::size_t{layer} * options.shape.n_q_heads + q_head;
      const bool recorded = !row.attention_count.empty();
      const std::size_t count = recorded ? row.attention_count[index] : 0;
      std::vector<std::uint32_t> positions;
      std::vector<float> probs;
      for (std::size_t i = 0; i < count; ++i, ++next) {
        positions.push_back(row.attention_position[next]);
        probs.push_back(read_float(row.attention_prob, options.attention_dtype, next));
      }
      compare("attention position", read.position, positions);
      compare("attention prob", read.prob, probs);
      compare("residual", std::vector<float>{read.residual},
              std::vector<float>{recorded ? row.attention_residual[index] : 1.0F});
    }
  }
}

void compare_vectors(const TraceReader& reader, const MadeUp& options, const TraceRow& row, Comparison& compare) {
  const auto one = [&](const char* name, auto read, const std::vector<std::byte>& expected, std::uint32_t heads) {
    const std::size_t size = std::size_t{heads} * options.shape.head_dim;
    for (std::uint32_t layer = 0; layer < options.shape.n_layers; ++layer) {
      std::vector<float> values(size);
      std::vector<float> made(size);
      (reader.*read)(layer, row.position, row.position + 1, values);
      for (std::size_t i = 0; i < size; ++i) made[i] = read_float(expected, options.qkv_dtype, layer * size + i);
      compare(name, values, made);
    }
  };
  one("q", &TraceReader::q, row.q, options.shape.n_q_heads);
  one("k", &TraceReader::k, row.k, options.shape.n_kv_heads);
  one("v", &TraceReader::v, row.v, options.shape.n_kv_heads);
}

}  // namespace

std::string difference(const TraceReader& reader, const MadeUp& options, std::uint32_t begin, std::uint32_t end) {
  for (std::uint32_t position = begin; position < end; ++position) {
    Comparison compare(position);
    TraceRow row;
    fill_row(options, position, row);
    if (options.levels.tokens) {
      std::vector<std::int32_t> id(1);
      reader.token_ids(position, position + 1, id);
      compare("token id", id, std::vector<std::int32_t>{row.token_id});
      std::vector<float> logprob(1);
      reader.token_logprobs(position, position + 1, logprob);
      if (position >= options.n_prompt) compare("logprob", logprob, std::vector<float>{row.logprob});
      compare("is NaN", std::vector<bool>{std::isnan(logprob[0])}, std::vector<bool>{position < options.n_prompt});
      compare("token bytes", reader.token_bytes(position, position + 1).at(0), row.token_bytes);
    }
    if (options.levels.stats) compare_stats(reader, options, row, compare);
    if (options.levels.attention) compare_attention(reader, options, row, compare);
    if (options.levels.qkv) compare_vectors(reader, options, row, compare);
    if (!compare.text().empty()) return compare.text();
  }
  return "";
}

}  // namespace kvwave::traces::testing
