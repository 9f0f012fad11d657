// How fast phase 2 takes attention rows that lie in memory, beside the machine's own read bandwidth.
#pragma once

#include <cstdint>

namespace kvwave::bench {

struct RowBandwidth {
  double gigabytes = 0;             ///< of fp32 rows in memory, several times the last-level cache
  double read_gb_per_second = 0;    ///< a plain sum over all of them, one thread
  double replay_gb_per_second = 0;  ///< retained mass of one configuration over all of them, one thread
};

/// Random rows of a sequence that starts at n_prompt positions, in tiles as replay holds them; best of `repeats`, in
/// processor time of the thread so that other work on the machine counts little.
RowBandwidth measure_row_bandwidth(std::uint32_t n_prompt, std::uint32_t repeats);

/// Plain reading of memory several times the last-level cache by one thread; the best of `repeats`.
double read_bytes_per_second(std::uint32_t repeats);

}  // namespace kvwave::bench
