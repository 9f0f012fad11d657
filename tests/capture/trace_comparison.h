// How far two traces of the same tokens and shape are apart, over the rows that both store whole.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "traces/reader.h"

namespace kvwave::capture::testing {

struct TraceDifference {
  bool same_tokens = true;   ///< ids, bytes, and log probabilities bit by bit
  bool same_vectors = true;  ///< q, k and v bit by bit; true where a trace has none
  double vectors = 0;        ///< largest difference of any element of q, k and v
  double logprobs = 0;       ///< largest difference of log probabilities
  double rows = 0;           ///< largest difference of any probability, as both store it (no entry = 0)
  double statistics = 0;     ///< of entropy, masses and largest probability
  double demand = 0;         ///< of any N(rho), in positions
  double demand_share = 0;   ///< of N(rho) that differ at all
};

inline TraceDifference compare_traces(const traces::TraceReader& a, const traces::TraceReader& b) {
  TraceDifference off;
  const traces::ModelShape& s = a.shape();
  const std::uint32_t n = std::min(a.n_positions(), b.n_positions());
  if (!(b.shape() == s) || a.n_positions() != b.n_positions()) {
    off.same_tokens = off.same_vectors = false;
    return off;
  }
  std::vector<std::int32_t> ids(n), other_ids(n);
  a.token_ids(0, n, ids);
  b.token_ids(0, n, other_ids);
  std::vector<float> x(n), y(n);
  a.token_logprobs(0, n, x);
  b.token_logprobs(0, n, y);
  for (std::uint32_t i = 0; i < n; ++i) {
    if (std::isnan(x[i]) != std::isnan(y[i])) off.same_tokens = false;
    if (!std::isnan(x[i])) off.logprobs = std::max(off.logprobs, std::abs(double{x[i]} - double{y[i]}));
  }
  off.same_tokens =
      off.same_tokens && ids == other_ids && off.logprobs == 0 && a.token_bytes(0, n) == b.token_bytes(0, n);

  if (a.info().levels.qkv && b.info().levels.qkv) {
    for (std::uint32_t layer = 0; layer < s.n_layers; ++layer) {
      const auto compare = [&](auto read, std::uint32_t heads) {
        std::vector<float> left(std::size_t{n} * heads * s.head_dim), right(left.size());
        (a.*read)(layer, 0, n, left);
        (b.*read)(layer, 0, n, right);
        off.same_vectors = off.same_vectors && left == right;
        for (std::size_t i = 0; i < left.size(); ++i) {
          off.vectors = std::max(off.vectors, std::abs(double{left[i]} - double{right[i]}));
        }
      };
      compare(&traces::TraceReader::q, s.n_q_heads);
      compare(&traces::TraceReader::k, s.n_kv_heads);
      compare(&traces::TraceReader::v, s.n_kv_heads);
    }
  }

  const std::uint32_t first = std::max(a.info().first_row, b.info().first_row);
  const std::size_t heads = std::size_t{n - first} * s.n_layers * s.n_q_heads;
  std::vector<std::uint32_t> left(heads * a.info().rho.size()), right(left.size());
  a.demand(first, n, left);
  b.demand(first, n, right);
  double changed = 0;
  for (std::size_t i = 0; i < left.size(); ++i) {
    off.demand = std::max(off.demand, std::abs(static_cast<double>(left[i]) - static_cast<double>(right[i])));
    changed += left[i] != right[i] ? 1 : 0;
  }
  off.demand_share = changed / static_cast<double>(left.size());
  for (const auto which : {traces::RowScalar::entropy, traces::RowScalar::sink_mass, traces::RowScalar::recent_mass,
                           traces::RowScalar::max_prob}) {
    x.resize(heads);
    y.resize(heads);
    a.row_scalar(which, first, n, x);
    b.row_scalar(which, first, n, y);
    for (std::size_t i = 0; i < heads; ++i) {
      off.statistics = std::max(off.statistics, std::abs(double{x[i]} - double{y[i]}));
    }
  }
  traces::AttentionRows mine, theirs;
  std::vector<double> full(n);
  for (std::uint32_t row = first; row < n; ++row) {
    a.attention(row, mine);
    b.attention(row, theirs);
    for (std::uint32_t head = 0; head < s.n_layers * s.n_q_heads; ++head) {
      std::fill(full.begin(), full.end(), 0.0);
      const auto p = mine.row(head / s.n_q_heads, head % s.n_q_heads);
      const auto q = theirs.row(head / s.n_q_heads, head % s.n_q_heads);
      for (std::size_t i = 0; i < p.prob.size(); ++i) full[p.position[i]] += double{p.prob[i]};
      for (std::size_t i = 0; i < q.prob.size(); ++i) full[q.position[i]] -= double{q.prob[i]};
      for (const double value : full) off.rows = std::max(off.rows, std::abs(value));
    }
  }
  return off;
}

}  // namespace kvwave::capture::testing
