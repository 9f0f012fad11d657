// make_long_trace -o TRACE: writes a made-up trace of any shape and length, by default 16,384 decode steps of an 8B
// model's shape (6.5 GB), for benchmarks of replay and of the viewer. Equal options give equal content.
#include <fmt/format.h>

#include "tests/bench/long_trace.h"
#include "tests/bench/tool_main.h"
#include "traces/command_options.h"

namespace {

using namespace kvwave;
namespace po = boost::program_options;

std::uint32_t number(const po::variables_map& values, const char* name, std::uint32_t fallback, std::int64_t highest) {
  if (!values.contains(name)) return fallback;
  return static_cast<std::uint32_t>(traces::parse_integer(name, values[name].as<std::string>(), 1, highest));
}

bench::LongTraceOptions options_of(const po::variables_map& values) {
  bench::LongTraceOptions options;
  options.n_steps = number(values, "steps", options.n_steps, 1 << 24);
  options.n_prompt = number(values, "prompt", options.n_prompt, 1 << 20);
  options.shape.n_layers = number(values, "layers", options.shape.n_layers, 1024);
  options.shape.n_q_heads = number(values, "q-heads", options.shape.n_q_heads, 1024);
  options.shape.n_kv_heads = number(values, "kv-heads", options.shape.n_kv_heads, 1024);
  options.shape.head_dim = number(values, "head-dim", options.shape.head_dim, 1024);
  options.entries_per_row = number(values, "entries", options.entries_per_row, 1 << 16);
  options.seed = number(values, "seed", 1, 1 << 20);
  if (values.contains("levels")) options.levels = traces::Levels::parse(values["levels"].as<std::string>());
  if (options.shape.n_q_heads % options.shape.n_kv_heads != 0) {
    throw traces::UsageError(fmt::format("option --q-heads: expected a multiple of --kv-heads {}, got {}",
                                         options.shape.n_kv_heads, options.shape.n_q_heads));
  }
  return options;
}

int make_long_trace(std::span<const std::string> args) {
  po::options_description options;
  const auto text = [&](const char* name, const char* value, const char* help) {
    options.add_options()(name, po::value<std::string>()->value_name(value), help);
  };
  text("output,o", "TRACE", "the trace to write");
  text("steps", "N", "decode steps (16384)");
  text("prompt", "N", "prompt tokens (64)");
  text("layers", "N", "layers (32)");
  text("q-heads", "N", "query heads of a layer (32)");
  text("kv-heads", "N", "KV heads of a layer (8)");
  text("head-dim", "N", "channels of a head (128)");
  text("levels", "LIST", "levels to write (tokens,stats,qkv)");
  text("entries", "N", "level attention: stored entries of each row at most (24)");
  text("seed", "N", "of the random content (1)");
  options.add_options()("force,f", "replace an existing file");
  const auto values = traces::parse_options("usage: make_long_trace -o TRACE [options]", options, "", args);
  if (!values) return traces::kComplete;
  if (!values->contains("output")) throw traces::UsageError("option -o/--output is required: the trace to write");

  bench::LongTrace content(options_of(*values));
  traces::WriterOptions writing;
  writing.overwrite = values->contains("force");
  writing.sync_on_finish = false;  // benchmarks read it back at once, from the page cache
  traces::TraceWriter writer((*values)["output"].as<std::string>(), content.info(), writing);
  for (std::uint32_t position = 0; position < content.n_positions(); ++position) {
    std::unique_ptr<traces::TraceRow> row = writer.acquire();
    content.fill(position, *row);
    writer.submit(std::move(row));
  }
  writer.finish(traces::StopReason::token_limit);
  return traces::kComplete;
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_tool("make_long_trace", argc, argv, make_long_trace);
}
