#include "capture/trace_description.h"

#include <nlohmann/json.hpp>

#include "traces/command_line.h"
#include "traces/sha256.h"

namespace kvwave::capture {

std::string ids_sha256(std::span<const std::int32_t> ids) {
  std::string bytes;  // little endian, whatever the machine
  bytes.reserve(ids.size() * 4);
  for (const std::int32_t id : ids) {
    for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>(static_cast<std::uint32_t>(id) >> shift);
  }
  return traces::Sha256().update(bytes).hex();
}

namespace {

std::string sampling_json(const PromptTokens& prompt, const DecodeOptions& options, const RunIdentity& identity) {
  nlohmann::ordered_json json;
  const SamplingOptions& sampling = options.sampling;
  json["mode"] = prompt.continuation ? "continuation" : sampling.temperature > 0 ? "sample" : "greedy";
  if (prompt.continuation) {
    json["continuation_sha256"] = ids_sha256(*prompt.continuation);
  } else if (sampling.temperature > 0) {
    json["temperature"] = sampling.temperature;
    json["top_p"] = sampling.top_p;
    if (sampling.top_k > 0) json["top_k"] = sampling.top_k;
    if (sampling.min_p > 0) json["min_p"] = sampling.min_p;
    json["generator"] = "splitmix64";
  }
  if (!prompt.continuation && sampling.repetition_penalty != 1) {
    json["repetition_penalty"] = sampling.repetition_penalty;
  }
  json["ignore_eos"] = options.ignore_eos;
  json["prompt_form"] = identity.prompt_form;
  if (identity.thinking) json["thinking"] = *identity.thinking;
  return json.dump();
}

}  // namespace

traces::TraceInfo describe_trace(const Model& model, const PromptTokens& prompt, const DecodeOptions& decode,
                                 const RecordOptions& record, const RunIdentity& identity) {
  const ModelConfig& config = model.config();
  const traces::Version version = traces::program_version();
  traces::TraceInfo info;
  info.program_version = version.version;
  info.program_commit = version.commit;
  info.command_line = identity.command_line;
  info.model_name = config.name;
  info.architecture = config.architecture;
  info.model_sha256 = identity.model_sha256;
  info.tokenizer_sha256 = identity.tokenizer_sha256;
  info.shape = {config.n_layers, config.n_q_heads, config.n_kv_heads, config.head_dim};
  info.vocab_size = config.vocab_size;
  info.rope_theta = config.rope_theta;
  info.rope_layout = config.rope_layout == RopeLayout::half ? "half" : "interleaved";
  info.rope_scaling = config.rope_scaling;
  info.n_prompt = static_cast<std::uint32_t>(prompt.ids.size());
  info.prompt_sha256 = ids_sha256(prompt.ids);
  info.prompt_window = record.prompt_window;
  info.first_row = info.n_prompt > record.prompt_window ? info.n_prompt - record.prompt_window : 0;
  info.compute_dtype = "f32";
  info.qkv_dtype = decode.cache_type == CacheType::f16 ? traces::FloatType::f16 : traces::FloatType::f32;
  info.attention_dtype = record.attention_dtype;
  info.device = identity.device;
  info.attention_kernel = identity.attention_kernel;
  info.sampling = sampling_json(prompt, decode, identity);
  info.seed = decode.sampling.seed;
  info.levels = record.levels;
  info.epsilon = record.epsilon;
  info.rho = record.rho;
  return info;
}

}  // namespace kvwave::capture
