// Arbitrary bytes as the attention archive of a recording of a tiny model: import must end in a trace or a typed error.
// Reading and checking is all that runs here; writing is the recorder's.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "capture/attention_arrays.h"
#include "capture/error.h"
#include "tests/fuzz/memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kvwave::capture;
  const kvwave::fuzz::MemoryFile file(data, size);
  RecordingFacts facts;
  facts.shape = {.n_layers = 2, .n_q_heads = 2, .n_kv_heads = 1, .head_dim = 4};
  try {
    AttentionArrays arrays(file.path(), facts);
    const std::uint32_t n = arrays.n_rows();
    if (std::uint64_t{n} > size * 1032) std::abort();
    arrays.load(0, n);
    std::vector<float> row(n);
    arrays.row(1, 1, n - 1, row);
  } catch (const Error&) {
  }
  return 0;
}
