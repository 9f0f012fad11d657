// `kvwave info MODEL`: what a model holds, and what decoding with it will cost per token.
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "capture/available_memory.h"
#include "capture/chat_template.h"
#include "capture/commands.h"
#include "capture/device_memory.h"
#include "capture/error.h"
#include "capture/host_memory.h"
#include "capture/model.h"
#include "capture/printable.h"
#include "capture/tokenizer.h"
#include "kernels/cpu_features.h"
#include "traces/command_line.h"
#include "traces/command_options.h"
#include "traces/progress.h"
#include "traces/writer.h"

namespace kvwave::capture {
namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr std::uint32_t kUsualPositions = 2048;

/// What is worked out from the model for both forms of output.
struct Facts {
  std::uint64_t kv_bytes_f16 = 0, kv_bytes_f32 = 0;  ///< of the KV cache, per token
  std::uint32_t positions = 0;                       ///< length of the trace that is estimated
  traces::LevelBytes trace_bytes;                    ///< of the whole trace
  HostMemory host;                                   ///< recording it on the CPU
  std::uint64_t available = 0;                       ///< memory that can be taken now; 0 = not known
  DeviceMemory device_f16, device_f32;               ///< decoding it on a CUDA device, by --qkv-dtype
  std::vector<std::int32_t> end_ids;
  std::string tokenizer_problem;         ///< why it cannot be used; empty when it can
  std::string chat_problem;              ///< why the chat template cannot be used; empty when it can
  std::string sha256, tokenizer_sha256;  ///< empty with --quick
};

Facts gather(const Model& model, std::uint32_t positions, bool quick) {
  const ModelConfig& c = model.config();
  Facts facts;
  const std::uint64_t kv_values = std::uint64_t{2} * c.n_layers * c.n_kv_heads * c.head_dim;
  facts.kv_bytes_f16 = kv_values * 2;
  facts.kv_bytes_f32 = kv_values * 4;
  facts.positions = positions;
  traces::TraceInfo info;
  info.shape = {c.n_layers, c.n_q_heads, c.n_kv_heads, c.head_dim};
  info.vocab_size = c.vocab_size;
  facts.trace_bytes = traces::estimate_bytes(info, positions);
  facts.host = predict_host_memory(model, CacheType::f16, positions, std::thread::hardware_concurrency(), true);
  facts.available = available_memory();
  facts.device_f16 = predict_device_memory(model, CacheType::f16, positions);
  facts.device_f32 = predict_device_memory(model, CacheType::f32, positions);
  try {
    const Tokenizer tokenizer(model.tokenizer_data());
    facts.end_ids.assign(tokenizer.end_ids().begin(), tokenizer.end_ids().end());
  } catch (const UnsupportedModel& error) {
    facts.tokenizer_problem = error.what();
  }
  try {
    check_chat_template(model.tokenizer_data());
  } catch (const UnsupportedModel& error) {
    facts.chat_problem = error.what();
  }
  if (!quick) {
    facts.sha256 = model.sha256();
    facts.tokenizer_sha256 = model.tokenizer_sha256();
  }
  return facts;
}

OrderedJson text_or_null(const std::string& text) {
  return text.empty() ? OrderedJson(nullptr) : OrderedJson(text);
}

OrderedJson as_json(const DeviceMemory& device) {
  if (!device.why_unknown.empty()) return nullptr;
  return {{"positions", device.positions},
          {"parameters", device.memory.parameters},
          {"kv_cache", device.memory.kv_cache},
          {"kv_cache_per_token", device.memory.kv_cache / device.positions},
          {"activations", device.memory.activations},
          {"record_ring", device.memory.record_ring},
          {"total", device.memory.total()}};
}

std::string_view word(Placement placement) {
  switch (placement) {
    case Placement::copied:
      return "copied";
    case Placement::mapped:
      return "mapped";
    case Placement::reread:
      break;
  }
  return "reread";
}

OrderedJson as_json(const HostMemory& host, std::uint64_t available) {
  return {{"positions", host.positions}, {"parameters", host.parameters},
          {"kv_cache", host.kv_cache},   {"activations", host.activations},
          {"tokenizer", host.tokenizer}, {"recording", host.recording},
          {"program", host.program},     {"total", host.total()},
          {"available", available},      {"parameters_are", word(placement(host, available))}};
}

std::string_view layout_word(RopeLayout layout) {
  return layout == RopeLayout::half ? "half" : "interleaved";
}

OrderedJson as_json(const Model& model, const Facts& facts) {
  const ModelConfig& c = model.config();
  const TokenizerData& data = model.tokenizer_data();
  const auto per_token = [&facts](std::uint64_t bytes) {
    return static_cast<double>(bytes) / static_cast<double>(facts.positions);
  };
  OrderedJson json;
  json["format"] = model.format();
  json["name"] = c.name;
  json["architecture"] = c.architecture;
  json["n_layers"] = c.n_layers;
  json["hidden"] = c.hidden;
  json["ffn"] = c.ffn;
  json["n_q_heads"] = c.n_q_heads;
  json["n_kv_heads"] = c.n_kv_heads;
  json["head_dim"] = c.head_dim;
  json["vocab_size"] = c.vocab_size;
  json["context_length"] = c.context_length;
  json["rms_epsilon"] = c.rms_epsilon;
  json["rope_theta"] = c.rope_theta;
  json["rope_layout"] = layout_word(c.rope_layout);
  json["rope_scaling"] = c.rope_scaling;
  json["tied_output"] = c.tied_output;
  json["param_bytes"] = model.param_bytes();
  json["tensors"] = model.tensors_by_type();
  json["kv_bytes_per_token"] = {{"f16", facts.kv_bytes_f16}, {"f32", facts.kv_bytes_f32}};
  json["trace_bytes_per_token"] = {{"positions", facts.positions},
                                   {"tokens", per_token(facts.trace_bytes.tokens)},
                                   {"stats", per_token(facts.trace_bytes.stats)},
                                   {"attention", per_token(facts.trace_bytes.attention)},
                                   {"qkv", per_token(facts.trace_bytes.qkv)}};
  json["host_bytes"] = as_json(facts.host, facts.available);
  json["device_bytes"] = {{"f16", as_json(facts.device_f16)},
                          {"f32", as_json(facts.device_f32)},
                          {"problem", text_or_null(facts.device_f16.why_unknown)}};
  json["tokenizer"] = {{"kind", data.kind},        {"pre", data.pre},
                       {"bos", data.bos},          {"add_bos", data.add_bos},
                       {"end_ids", facts.end_ids}, {"problem", text_or_null(facts.tokenizer_problem)}};
  json["thinking_switch"] = has_thinking_switch(data);
  json["chat_problem"] = text_or_null(facts.chat_problem);
  json["sha256"] = text_or_null(facts.sha256);
  json["tokenizer_sha256"] = text_or_null(facts.tokenizer_sha256);
  json["cpu_path"] = kernels::to_string(kernels::simd_path());
  return json;
}

void line(std::string_view name, std::string_view value) {
  fmt::print("{:<18}{}\n", name, value);
}

/// What recording on the CPU takes, and how it fits.
std::vector<std::string> host_lines(const Facts& facts) {
  const HostMemory& host = facts.host;
  return {
      fmt::format("{} at the peak, recording {} positions in f16 on the CPU: parameters {}, KV cache {}, the rest {}",
                  traces::human_bytes(host.total()), host.positions, traces::human_bytes(host.parameters),
                  traces::human_bytes(host.kv_cache), traces::human_bytes(host.beside_parameters() - host.kv_cache)),
      fmt::format("{} available now; parameters would be {}",
                  facts.available == 0 ? "not known how much is" : traces::human_bytes(facts.available),
                  describe(placement(host, facts.available)))};
}

/// What recording on a CUDA device takes, the context of CUDA itself not counted.
std::string device_line(const Facts& facts) {
  const DeviceMemory& device = facts.device_f16;
  if (!device.why_unknown.empty()) return "not predicted: " + device.why_unknown;
  const kernels::CudaDecoderMemory& memory = device.memory;
  return fmt::format(
      "{} for {} positions in f16: parameters {}, KV cache {}, activations {}, record ring {}; {} in f32",
      traces::human_bytes(memory.total()), device.positions, traces::human_bytes(memory.parameters),
      traces::human_bytes(memory.kv_cache), traces::human_bytes(memory.activations),
      traces::human_bytes(memory.record_ring), traces::human_bytes(facts.device_f32.memory.total()));
}

void print_text(const Model& model, const Facts& facts) {
  const ModelConfig& c = model.config();
  const TokenizerData& data = model.tokenizer_data();
  std::vector<std::string> types;
  for (const auto& [type, count] : model.tensors_by_type()) types.push_back(fmt::format("{} {}", count, type));
  line("model", fmt::format("{}, architecture {}, from {}", printable(c.name), c.architecture, model.format()));
  line("shape", fmt::format("{} layers, {} q_heads, {} kv_heads, head_dim {}, hidden {}, ffn {}", c.n_layers,
                            c.n_q_heads, c.n_kv_heads, c.head_dim, c.hidden, c.ffn));
  line("context", fmt::format("{} positions", c.context_length));
  line("rope", fmt::format("theta {}, {}, scaling {}", c.rope_theta, layout_word(c.rope_layout), c.rope_scaling));
  line("parameters", fmt::format("{}: {} tensors", traces::human_bytes(model.param_bytes()), fmt::join(types, ", ")));
  line("output", c.tied_output ? "shares the token embedding" : "has its own matrix");
  line("KV cache", fmt::format("{} a token in f16, {} in f32", traces::human_bytes(facts.kv_bytes_f16),
                               traces::human_bytes(facts.kv_bytes_f32)));
  const std::vector<std::string> host = host_lines(facts);
  line("memory", host[0]);
  line("", host[1]);
  line("device memory", device_line(facts));
  line("tokenizer", facts.tokenizer_problem.empty()
                        ? fmt::format("{}, pre-tokenizer {}, {} pieces, BOS {}, ends {}", data.kind, data.pre,
                                      c.vocab_size, data.add_bos ? fmt::format("{} in front", data.bos) : "not added",
                                      fmt::join(facts.end_ids, " "))
                        : facts.tokenizer_problem);
  line("chat template", !facts.chat_problem.empty() ? facts.chat_problem
                        : has_thinking_switch(data) ? "usable, with a switch for thinking"
                                                    : "usable");
  line("CPU path", kernels::to_string(kernels::simd_path()));
  if (!facts.sha256.empty()) {
    line("sha256", facts.sha256);
    line("tokenizer sha256", facts.tokenizer_sha256);
  }
  fmt::print("\nexpected trace of {} positions\n{:<14}{:>12}{:>16}\n", facts.positions, "level", "bytes", "per token");
  const auto row = [&facts](std::string_view name, std::uint64_t bytes) {
    fmt::print("{:<14}{:>12}{:>16}\n", name, traces::human_bytes(bytes), traces::human_bytes(bytes / facts.positions));
  };
  row("tokens", facts.trace_bytes.tokens);
  row("stats", facts.trace_bytes.stats);
  row("attention", facts.trace_bytes.attention);
  row("qkv", facts.trace_bytes.qkv);
  row("all", facts.trace_bytes.total());
}

}  // namespace

int model_info_command(std::span<const std::string> args) {
  namespace po = boost::program_options;
  po::options_description options;
  options.add_options()("json", "print one JSON object")(
      "quick", "skip the hashes and the search for NaN, which read the whole file")(
      "positions", po::value<std::string>()->value_name("N"),
      "length of the trace whose size is estimated (2048, or the model's context where that is shorter)");
  const auto values =
      traces::parse_options("usage: kvwave info MODEL [--json] [--quick] [--positions N]", options, "model", args);
  if (!values) return traces::kComplete;
  const std::vector<std::string> paths =
      values->contains("model") ? (*values)["model"].as<std::vector<std::string>>() : std::vector<std::string>{};
  if (paths.size() != 1) throw traces::UsageError(fmt::format("expected one model, got {}", paths.size()));
  const bool quick = values->contains("quick");
  const Model model = Model::load(paths[0], FileMemory::mapped, quick ? ParamScan::none : ParamScan::all);
  const std::uint32_t context = model.config().context_length;
  std::uint32_t positions = std::min(kUsualPositions, context);
  if (values->contains("positions")) {
    positions = static_cast<std::uint32_t>(
        traces::parse_integer("positions", (*values)["positions"].as<std::string>(), 1, context));
  }
  const Facts facts = gather(model, positions, quick);
  if (values->contains("json")) {
    // Names from the file may be no valid UTF-8: replaced rather than refused.
    fmt::print("{}\n", as_json(model, facts).dump(2, ' ', false, OrderedJson::error_handler_t::replace));
  } else {
    print_text(model, facts);
  }
  return traces::kComplete;
}

}  // namespace kvwave::capture
