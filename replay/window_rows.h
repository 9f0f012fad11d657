// Private to replay: attention rows over a set of residents, in arithmetic that is the same on every machine.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/key_panels.h"

namespace kvwave::replay {

struct WindowShape {
  std::uint32_t first_position = 0;  ///< of the oldest query; they follow one another
  std::uint32_t n_queries = 0, n_heads = 0;
};

/// prob[i][h][j] = softmax over the residents at or before query i of query[i][h] . key[j] / sqrt(head_dim); 0 for
/// later residents and for rows that see none. query: [n_queries, n_heads, head_dim]; keys: the residents in slot
/// order; slots: their positions. Dots in fp32 in a fixed order, sums in fp64.
void window_rows(const WindowShape& shape, std::span<const float> query, const kernels::KeyPanels& keys,
                 std::span<const std::uint32_t> slots, std::vector<float>& prob);

}  // namespace kvwave::replay
