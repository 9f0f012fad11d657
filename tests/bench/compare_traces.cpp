// compare_traces A B: how far two recordings of the same prompt differ, as JSON: tokens, attention rows up to the first
// token that differs, and the layer means of demand. Both need the levels tokens, stats and attention.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tests/bench/tool_main.h"
#include "traces/reader.h"

namespace {

using namespace kvwave;
using traces::TraceReader;

struct Tokens {
  std::vector<std::int32_t> id;
  std::vector<float> logprob;
};

Tokens tokens_of(const TraceReader& trace, std::uint32_t n) {
  Tokens tokens{std::vector<std::int32_t>(n), std::vector<float>(n)};
  trace.token_ids(0, n, tokens.id);
  trace.token_logprobs(0, n, tokens.logprob);
  return tokens;
}

/// The largest difference of a probability; a position that one side did not store counts with the other's value.
float row_difference(const traces::AttentionRow& a, const traces::AttentionRow& b) {
  float largest = 0;
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < a.position.size() || j < b.position.size()) {
    const bool in_a = i < a.position.size() && (j == b.position.size() || a.position[i] <= b.position[j]);
    const bool in_b = j < b.position.size() && (i == a.position.size() || b.position[j] <= a.position[i]);
    const float left = in_a ? a.prob[i++] : 0.0F;
    const float right = in_b ? b.prob[j++] : 0.0F;
    largest = std::max(largest, std::fabs(left - right));
  }
  return largest;
}

/// Largest relative difference over layers and rho of the mean demand of rows [begin, end).
double demand_difference(const TraceReader& a, const TraceReader& b, std::uint32_t begin, std::uint32_t end) {
  const std::size_t width = std::size_t{a.shape().n_layers} * a.info().rho.size();
  std::vector<float> rows(width * (end - begin));
  const auto mean = [&](const TraceReader& trace) {
    trace.layer_demand(begin, end, rows);
    std::vector<double> sum(width);
    for (std::size_t at = 0; at < rows.size(); ++at) sum[at % width] += double{rows[at]};
    return sum;
  };
  const std::vector<double> left = mean(a);
  const std::vector<double> right = mean(b);
  double largest = 0;
  for (std::size_t at = 0; at < width; ++at) {
    largest = std::max(largest, std::fabs(left[at] - right[at]) / std::max(left[at], 1.0));
  }
  return largest;
}

int compare_traces(std::span<const std::string> args) {
  if (args.size() != 2) throw traces::UsageError("usage: compare_traces A B");
  const TraceReader a(args[0]);
  const TraceReader b(args[1]);
  for (const TraceReader* trace : {&a, &b}) trace->require({.qkv = false});
  if (!(a.shape() == b.shape()) || a.info().prompt_sha256 != b.info().prompt_sha256 || a.info().rho != b.info().rho) {
    throw std::runtime_error(
        fmt::format("{} and {} are no recordings of the same prompt by the same model", args[0], args[1]));
  }
  const std::uint32_t n = std::min(a.n_positions(), b.n_positions());
  const std::uint32_t n_prompt = a.info().n_prompt;
  const Tokens left = tokens_of(a, n);
  const Tokens right = tokens_of(b, n);
  const auto first = std::mismatch(left.id.begin(), left.id.end(), right.id.begin()).first - left.id.begin();
  const auto same = static_cast<std::uint32_t>(first);  // positions with equal tokens
  traces::AttentionRows rows_a;
  traces::AttentionRows rows_b;
  float largest = 0;
  for (std::uint32_t position = a.info().first_row; position < same; ++position) {
    a.attention(position, rows_a);
    b.attention(position, rows_b);
    for (std::uint32_t layer = 0; layer < a.shape().n_layers; ++layer) {
      for (std::uint32_t q_head = 0; q_head < a.shape().n_q_heads; ++q_head) {
        largest = std::max(largest, row_difference(rows_a.row(layer, q_head), rows_b.row(layer, q_head)));
      }
    }
  }
  nlohmann::ordered_json json;
  json["prompt"] = n_prompt;
  json["tokens"] = n - n_prompt;
  json["equal_tokens"] = same - std::min(same, n_prompt);
  if (same < n) {
    // Each side chose its likeliest token: had their logits not been close, both would have chosen the same.
    json["logprobs_at_first_difference"] = {left.logprob[same], right.logprob[same]};
  }
  json["largest_row_difference"] = largest;
  json["largest_demand_difference"] = same > n_prompt ? demand_difference(a, b, n_prompt, same) : 0.0;
  fmt::print("{}\n", json.dump(2));
  return traces::kComplete;
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_tool("compare_traces", argc, argv, compare_traces);
}
