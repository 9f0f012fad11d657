#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "traces/command_line.h"
#include "traces/command_options.h"
#include "traces/commands.h"
#include "traces/progress.h"
#include "traces/reader.h"
#include "traces/repetition.h"

namespace kvwave::traces {
namespace {

using Json = nlohmann::ordered_json;

/// Everything that both forms of output print.
struct Facts {
  TraceStatus status;
  std::vector<TraceReader::LevelUse> levels;
  std::uint64_t file_bytes = 0;
  std::uint64_t dense_bytes = 0;  ///< what the recorded attention rows would take as full fp16 rows
  std::optional<double> repeated_share;
  std::string content_sha256;
};

Facts gather(const TraceReader& trace, bool quick) {
  Facts facts;
  facts.status = trace.status();
  facts.levels = trace.level_use();
  facts.file_bytes = std::filesystem::file_size(trace.path());
  const std::uint64_t heads = std::uint64_t{trace.shape().n_layers} * trace.shape().n_q_heads;
  for (std::uint64_t row = trace.info().first_row; row < trace.n_positions(); ++row) {
    facts.dense_bytes += heads * (row + 1) * 2;
  }
  if (trace.info().levels.tokens && trace.n_steps() != 0) {
    std::vector<std::int32_t> ids(trace.n_steps());
    trace.token_ids(trace.info().n_prompt, trace.n_positions(), ids);
    facts.repeated_share = repeated_ngram_share(ids);
  }
  if (!quick) facts.content_sha256 = trace.content_sha256();
  return facts;
}

std::string state_of(const TraceReader& trace, const TraceStatus& status) {
  if (status.complete) return fmt::format("complete, stopped by {}", to_string(status.stop_reason));
  if (trace.swmr()) return "not complete: its writer is running or was killed (kvwave repair closes a killed one)";
  return fmt::format("not complete: {}", to_string(status.stop_reason));
}

double per_token(std::uint64_t bytes, std::uint64_t positions) {
  return positions == 0 ? 0 : static_cast<double>(bytes) / static_cast<double>(positions);
}

Json as_json(const TraceReader& trace, const Facts& facts) {
  const TraceInfo& info = trace.info();
  Json json;
  json["format"] = kFormatName;
  json["format_version"] = info.format_version;
  json["complete"] = facts.status.complete;
  json["stop_reason"] = to_string(facts.status.stop_reason);
  json["growing_or_killed"] = trace.swmr();
  json["n_positions"] = trace.n_positions();
  json["n_prompt"] = info.n_prompt;
  json["n_steps"] = trace.n_steps();
  json["first_row"] = info.first_row;
  json["prompt_window"] = info.prompt_window;
  json["model"] = {{"name", info.model_name},
                   {"architecture", info.architecture},
                   {"sha256", info.model_sha256},
                   {"tokenizer_sha256", info.tokenizer_sha256},
                   {"n_layers", info.shape.n_layers},
                   {"n_q_heads", info.shape.n_q_heads},
                   {"n_kv_heads", info.shape.n_kv_heads},
                   {"head_dim", info.shape.head_dim},
                   {"vocab_size", info.vocab_size},
                   {"rope_theta", info.rope_theta},
                   {"rope_layout", info.rope_layout},
                   {"rope_scaling", info.rope_scaling}};
  json["run"] = {{"program_version", info.program_version},
                 {"program_commit", info.program_commit},
                 {"command_line", info.command_line},
                 {"device", info.device},
                 {"attention_kernel", info.attention_kernel},
                 {"compute_dtype", info.compute_dtype},
                 {"qkv_dtype", to_string(info.qkv_dtype)},
                 {"attention_dtype", to_string(info.attention_dtype)},
                 {"sampling", info.sampling},
                 {"seed", info.seed},
                 {"epsilon", info.epsilon},
                 {"rho", info.rho},
                 {"prompt_sha256", info.prompt_sha256},
                 {"imported", info.imported},
                 {"nan_count", facts.status.nan_count},
                 {"stall_count", facts.status.stall_count}};
  json["file_bytes"] = facts.file_bytes;
  json["levels"] = Json::object();
  for (const auto& [level, bytes] : facts.levels) {
    json["levels"][level] = {{"stored_bytes", bytes}, {"bytes_per_token", per_token(bytes, trace.n_positions())}};
  }
  json["dense_fp16_row_bytes"] = facts.dense_bytes;
  json["repeated_8gram_share"] = facts.repeated_share ? Json(*facts.repeated_share) : Json(nullptr);
  json["content_sha256"] = facts.content_sha256.empty() ? Json(nullptr) : Json(facts.content_sha256);
  return json;
}

void line(std::string_view name, std::string_view value) {
  fmt::print("{:<18}{}\n", name, value);
}

void print_run(const TraceReader& trace, const Facts& facts) {
  const TraceInfo& info = trace.info();
  const ModelShape& shape = info.shape;
  line("trace", fmt::format("{}, format {}", trace.path().string(), info.format_version));
  line("state", state_of(trace, facts.status));
  line("model", fmt::format("{} ({})", info.model_name, info.architecture));
  line("model sha256", info.model_sha256);
  line("shape", fmt::format("{} layers, {} q_heads, {} kv_heads, head_dim {}", shape.n_layers, shape.n_q_heads,
                            shape.n_kv_heads, shape.head_dim));
  line("rope", fmt::format("theta {}, {}, scaling {}", info.rope_theta, info.rope_layout, info.rope_scaling));
  line("positions", fmt::format("{}: {} of the prompt, {} decode steps; rows from {}", trace.n_positions(),
                                info.n_prompt, trace.n_steps(), info.first_row));
  line("device",
       fmt::format("{}, attention kernel {}, compute {}", info.device, info.attention_kernel, info.compute_dtype));
  line("storage", fmt::format("qkv {}, attention {}, epsilon {}", to_string(info.qkv_dtype),
                              to_string(info.attention_dtype), info.epsilon));
  line("sampling", fmt::format("{}, seed {}", info.sampling, info.seed));
  if (!info.imported.empty()) line("imported from", info.imported);
  line(info.imported.empty() ? "recorded by" : "imported by", fmt::format("kvwave {} ({})", info.program_version, info.program_commit));
  line("command line", info.command_line);
  line("not finite", fmt::format("{} values, {} writer stalls", facts.status.nan_count, facts.status.stall_count));
}

void print_levels(const TraceReader& trace, const Facts& facts) {
  fmt::print("\n{:<14}{:>12}{:>16}\n", "level", "on disk", "per token");
  const auto row = [&](std::string_view name, std::uint64_t bytes, std::string_view note) {
    const double each = per_token(bytes, trace.n_positions());
    fmt::print("{:<14}{:>12}{:>16}{}\n", name, human_bytes(bytes), human_bytes(static_cast<std::uint64_t>(each)), note);
  };
  for (const auto& [level, bytes] : facts.levels) {
    std::string note;
    if (level == "attention" && facts.dense_bytes != 0) {
      note = fmt::format("   {:.2f}x of dense fp16 rows ({})",
                         static_cast<double>(bytes) / static_cast<double>(facts.dense_bytes),
                         human_bytes(facts.dense_bytes));
    }
    row(level, bytes, note);
  }
  row("file", facts.file_bytes, "");
}

}  // namespace

int info_command(std::span<const std::string> args) {
  namespace po = boost::program_options;
  po::options_description options;
  options.add_options()("json", "print one JSON object")("quick", "skip the content hash, which reads the whole trace");
  const auto values = parse_options("usage: kvwave info TRACE [--json] [--quick]", options, "trace", args);
  if (!values) return kComplete;
  const std::vector<std::string> paths =
      values->contains("trace") ? (*values)["trace"].as<std::vector<std::string>>() : std::vector<std::string>{};
  if (paths.size() != 1) throw UsageError(fmt::format("expected one trace, got {}", paths.size()));
  const TraceReader trace(paths[0]);
  const Facts facts = gather(trace, values->contains("quick"));
  if (values->contains("json")) {
    // Names from the file may be no valid UTF-8: replaced rather than refused.
    fmt::print("{}\n", as_json(trace, facts).dump(2, ' ', false, Json::error_handler_t::replace));
    return kComplete;
  }
  print_run(trace, facts);
  print_levels(trace, facts);
  fmt::print("\n");
  if (facts.repeated_share) {
    line("repeated 8-grams",
         fmt::format("{:.1f} % of the generated ones{}", *facts.repeated_share * 100,
                     *facts.repeated_share > kRepetitionFlag ? "  ! this run is largely a loop, no reasoning" : ""));
  }
  line("content sha256", facts.content_sha256.empty() ? "not computed (--quick)" : facts.content_sha256);
  return kComplete;
}

}  // namespace kvwave::traces
