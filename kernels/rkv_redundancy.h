// Redundancy of cached keys as the R-KV repository computes it: how similar a key is, on average, to all others of its
// KV head, with one near-duplicate per row exempted.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/key_panels.h"

namespace kvwave::kernels {

/// unit[j] = key[j] / (|key[j]| + 1e-8); keys and unit are [any, head_dim] and may be the same memory. Norms in fp64.
void unit_keys(std::span<const float> keys, std::uint32_t head_dim, std::span<float> unit);

struct RedundancyScratch {
  std::vector<double> key_sum, column;
  std::vector<std::uint32_t> open_row, is_open;
};

/// redundancy[j] for the first redundancy.size() of the n residents:
///   C[i][j] = unit[i] . unit[j], C[i][i] = 0, over *all* residents, the window included
///   retained(i) = the largest slot j with C[i][j] > threshold, or 0 when there is none; then C[i][retained(i)] = 0
///                 (so a row without a near-duplicate loses C[i][0], which favours slot 0: the code's side effect)
///   r[j] = (1/n) sum over rows i of C[i][j]   (every cosine, also those below the threshold and negative ones)
///   redundancy = softmax(r) over all n, cut to the first entries without renormalising
/// The column sums come from the sum of all unit keys, so only the search for retained(i) looks at pairs; it starts at
/// the newest slot and usually ends in the first panel; where it does not, a pair is looked at once, not from both
/// sides. Source: Zefan-Cai/R-KV, rkv/utils.py (cal_similarity). unit: [any, head_dim] rows of the layer; position: the
/// residents' rows in slot order; panels: the same rows gathered. retained: [n] output for callers that want it, or
/// empty.
void rkv_redundancy(std::span<const float> unit, std::span<const std::uint32_t> position, const KeyPanels& panels,
                    float threshold, std::span<float> redundancy, std::span<std::uint32_t> retained,
                    RedundancyScratch& scratch);

}  // namespace kvwave::kernels
