// Replay written out from METRICS.md and the policies' definitions in fp64, one number at a time: what the fast code is
// checked against. Nothing here is shared with it.
#pragma once

#include <cstdint>
#include <vector>

#include "replay/layer_tensors.h"
#include "replay/sequence.h"
#include "replay/simulate.h"
#include "tests/replay/synthetic_trace.h"

namespace kvwave::replay {

Sequence sequence_of(const SyntheticTrace& trace);
LayerTensors layer_tensors(const SyntheticTrace& trace, std::uint32_t layer);

/// softmax(q.k / sqrt(d)) over positions 0 .. position.
std::vector<double> exact_row(const SyntheticTrace& trace, std::uint32_t layer, std::uint32_t q_head,
                              std::uint32_t position);

struct ExactFigures {
  double mass = 0, square_error = 0, square_output = 0, square_bound = 0, recall = 0;
};
/// One row, seen through `visible` (one flag per position 0 .. position).
ExactFigures exact_figures(const SyntheticTrace& trace, std::uint32_t layer, std::uint32_t q_head,
                           std::uint32_t position, const std::vector<bool>& visible);

/// Who is visible in decode step s, one flag per position 0 .. n_prompt + s.
std::vector<bool> visible_at(const LayerResidency& residency, const Sequence& sequence, std::uint32_t cache,
                             std::uint32_t step);

/// The `count` positions of a row that get most, ties to the lower position.
std::vector<bool> top_of_row(const std::vector<double>& row, std::uint32_t count);

/// R-KV (or SnapKV, lambda 1) with a uniform budget, literally: order=score, prompt=cut.
struct LiteralRkv {
  std::uint32_t budget = 16, window = 4, buffer = 8, kernel = 7;
  double lambda = 0.1;
  bool time_order = false;
};
/// [P] evicted_at of one KV head.
std::vector<std::int32_t> literal_rkv(const SyntheticTrace& trace, std::uint32_t layer, std::uint32_t kv_head,
                                      const LiteralRkv& policy);

}  // namespace kvwave::replay
