#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <iterator>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "traces/command_line.h"
#include "traces/command_options.h"
#include "traces/commands.h"
#include "traces/error.h"
#include "traces/reader.h"

namespace kvwave::traces {
namespace {

/// Half-open ranges of what to print.
struct Selection {
  std::uint32_t row_begin = 0, row_end = 0;
  std::uint32_t layer_begin = 0, layer_end = 0;
  std::uint32_t head_begin = 0, head_end = 0;
};

using Options = boost::program_options::variables_map;
using Buffer = fmt::memory_buffer;

void emit(Buffer& text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) {
    throw OutputFailed("standard output could not be written");
  }
  text.clear();
}

/// A token's bytes between quotes: printable ASCII as it is, quotes doubled as CSV wants, all else as \xNN.
std::string csv_quoted(std::string_view bytes) {
  std::string text = "\"";
  for (const char letter : bytes) {
    if (letter == '"') {
      text += "\"\"";
    } else if (letter == '\\') {
      text += "\\\\";
    } else if (letter >= ' ' && letter <= '~') {
      text += letter;
    } else {
      text += fmt::format("\\x{:02x}", static_cast<unsigned char>(letter));
    }
  }
  return text + '"';
}

void dump_tokens(const TraceReader& trace, const Selection& selection, Buffer& out) {
  fmt::format_to(std::back_inserter(out), "position,part,id,logprob,bytes\n");
  for (std::uint32_t row = selection.row_begin; row < selection.row_end; ++row) {
    std::array<std::int32_t, 1> id{};
    std::array<float, 1> logprob{};
    trace.token_ids(row, row + 1, id);
    trace.token_logprobs(row, row + 1, logprob);
    const bool prompt = row < trace.info().n_prompt;
    fmt::format_to(std::back_inserter(out), "{},{},{},{},{}\n", row, prompt ? "prompt" : "generated", id[0],
                   prompt ? "" : fmt::to_string(logprob[0]), csv_quoted(trace.token_bytes(row, row + 1)[0]));
    emit(out);
  }
}

void dump_attention(const TraceReader& trace, const Selection& selection, Buffer& out) {
  fmt::format_to(std::back_inserter(out), "row,layer,q_head,position,attn_prob,residual\n");
  AttentionRows rows;
  for (std::uint32_t row = selection.row_begin; row < selection.row_end; ++row) {
    trace.attention(row, rows);
    for (std::uint32_t layer = selection.layer_begin; layer < selection.layer_end; ++layer) {
      for (std::uint32_t head = selection.head_begin; head < selection.head_end; ++head) {
        const AttentionRow entries = rows.row(layer, head);
        for (std::size_t i = 0; i < entries.position.size(); ++i) {
          fmt::format_to(std::back_inserter(out), "{},{},{},{},{},{}\n", row, layer, head, entries.position[i],
                         entries.prob[i], entries.residual);
        }
      }
    }
    emit(out);
  }
}

void dump_demand(const TraceReader& trace, const Selection& selection, Buffer& out) {
  fmt::format_to(std::back_inserter(out), "row,layer,q_head,rho,demand\n");
  const std::vector<double>& rho = trace.info().rho;
  const std::size_t heads = trace.shape().n_q_heads;
  std::vector<std::uint32_t> demand(trace.shape().n_layers * heads * rho.size());
  for (std::uint32_t row = selection.row_begin; row < selection.row_end; ++row) {
    trace.demand(row, row + 1, demand);
    for (std::uint32_t layer = selection.layer_begin; layer < selection.layer_end; ++layer) {
      for (std::uint32_t head = selection.head_begin; head < selection.head_end; ++head) {
        for (std::size_t i = 0; i < rho.size(); ++i) {
          fmt::format_to(std::back_inserter(out), "{},{},{},{},{}\n", row, layer, head, rho[i],
                         demand[(layer * heads + head) * rho.size() + i]);
        }
      }
    }
    emit(out);
  }
}

void dump_vectors(const TraceReader& trace, std::string_view what, const Selection& selection, Buffer& out) {
  const bool query = what == "q";
  fmt::format_to(std::back_inserter(out), "position,layer,{},dim,value\n", query ? "q_head" : "kv_head");
  const std::size_t dim = trace.shape().head_dim;
  std::vector<float> values((query ? trace.shape().n_q_heads : trace.shape().n_kv_heads) * dim);
  const auto read = query ? &TraceReader::q : what == "k" ? &TraceReader::k : &TraceReader::v;
  for (std::uint32_t row = selection.row_begin; row < selection.row_end; ++row) {
    for (std::uint32_t layer = selection.layer_begin; layer < selection.layer_end; ++layer) {
      (trace.*read)(layer, row, row + 1, values);
      for (std::uint32_t head = selection.head_begin; head < selection.head_end; ++head) {
        for (std::size_t i = 0; i < dim; ++i) {
          fmt::format_to(std::back_inserter(out), "{},{},{},{},{}\n", row, layer, head, i, values[head * dim + i]);
        }
      }
    }
    emit(out);
  }
}

/// [0, count), or the one value that the option names.
std::pair<std::uint32_t, std::uint32_t> pick(const Options& options, const char* name, std::uint32_t count) {
  if (!options.contains(name)) return {0, count};
  if (count == 0) throw UsageError(fmt::format("option --{}: this trace has none", name));
  const auto value = static_cast<std::uint32_t>(
      parse_integer(name, options[name].as<std::string>(), 0, static_cast<std::int64_t>(count) - 1));
  return {value, value + 1};
}

void refuse(const Options& options, std::string_view what, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (options.contains(name)) throw UsageError(fmt::format("option --{} does not apply to {}", name, what));
  }
}

Selection select(const TraceReader& trace, std::string_view what, const Options& options) {
  Selection selection;
  if (options.contains("row") && options.contains("step")) throw UsageError("give --row or --step, not both");
  if (options.contains("step")) {
    const auto [begin, end] = pick(options, "step", trace.n_steps());
    selection.row_begin = trace.info().n_prompt + begin;
    selection.row_end = trace.info().n_prompt + end;
  } else {
    std::tie(selection.row_begin, selection.row_end) = pick(options, "row", trace.n_positions());
    // Rows before first_row hold nothing; they are skipped unless one is asked for by name.
    if (!options.contains("row") && (what == "attention" || what == "demand")) {
      selection.row_begin = std::min(trace.info().first_row, selection.row_end);
    }
  }
  std::tie(selection.layer_begin, selection.layer_end) = pick(options, "layer", trace.shape().n_layers);
  const bool kv = what == "k" || what == "v";
  std::tie(selection.head_begin, selection.head_end) =
      kv ? pick(options, "kv-head", trace.shape().n_kv_heads) : pick(options, "q-head", trace.shape().n_q_heads);
  return selection;
}

}  // namespace

int dump_command(std::span<const std::string> args) {
  namespace po = boost::program_options;
  const auto number = [] { return po::value<std::string>(); };
  po::options_description options;
  options.add_options()("row", number(), "only this query position")("step", number(), "only this decode step")(
      "layer", number(), "only this layer")("q-head", number(), "only this query head (attention, demand, q)")(
      "kv-head", number(), "only this KV head (k, v)");
  const auto values = parse_options(
      "usage: kvwave dump TRACE attention|demand|tokens|q|k|v [--row POS | --step S] [--layer L]\n"
      "                   [--q-head H | --kv-head H]\n\nPrints that part of the trace as CSV with a header line.",
      options, "trace", args);
  if (!values) return kComplete;
  const std::vector<std::string> words =
      values->contains("trace") ? (*values)["trace"].as<std::vector<std::string>>() : std::vector<std::string>{};
  if (words.size() != 2) throw UsageError("expected a trace and what to print: attention, demand, tokens, q, k or v");
  const std::string& what = words[1];
  const std::vector<std::string> known = {"attention", "demand", "tokens", "q", "k", "v"};
  if (std::find(known.begin(), known.end(), what) == known.end()) {
    throw UsageError(fmt::format("cannot dump '{}'{}: expected attention, demand, tokens, q, k or v", what,
                                 did_you_mean(what, known)));
  }
  if (what == "tokens") refuse(*values, what, {"layer", "q-head", "kv-head"});
  if (what == "k" || what == "v") refuse(*values, what, {"q-head"});
  if (what == "attention" || what == "demand" || what == "q") refuse(*values, what, {"kv-head"});

  const TraceReader trace(words[0]);
  trace.require({what == "tokens", what == "demand", what == "attention", what.size() == 1});
  const Selection selection = select(trace, what, *values);
  Buffer out;
  if (what == "tokens") {
    dump_tokens(trace, selection, out);
  } else if (what == "attention") {
    dump_attention(trace, selection, out);
  } else if (what == "demand") {
    dump_demand(trace, selection, out);
  } else {
    dump_vectors(trace, what, selection, out);
  }
  emit(out);
  return kComplete;
}

}  // namespace kvwave::traces
