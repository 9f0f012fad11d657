// Small correct kernels that use every feature of the shim, on host spans.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace kvwave::testing {

/// Softmax of each row of [rows, cols], one block a row.
std::vector<float> softmax_rows(std::span<const float> x, unsigned rows, unsigned cols);
/// The k largest of up to 1,024 values, ties to the lower index; their indices in order.
std::vector<int> top_k(std::span<const float> x, unsigned k);
/// How often each byte occurs: shared and global atomics.
std::vector<unsigned> histogram(std::span<const std::uint8_t> x);
/// How many values exceed the threshold, counted three ways: ballot, block barrier, warp reduction.
std::vector<unsigned> count_above(std::span<const float> x, float threshold);
/// Sum of n warps that each take a global spin lock.
int locked_sum(unsigned n_warps);
/// x + 1 applied n times by a captured graph.
std::vector<float> add_by_graph(std::span<const float> x, unsigned n);
/// Doubles x on one stream and copies it on another, ordered by events only.
std::vector<float> double_across_streams(std::span<const float> x);

}  // namespace kvwave::testing
