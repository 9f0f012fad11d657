// libFuzzer target: any bytes at all are opened as a trace and, where they open, read through every public function.
// Only traces::Error (and nothing from the sanitizers) may come out.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <unistd.h>
#include <vector>

#include "traces/error.h"
#include "traces/reader.h"

namespace {

using kvwave::traces::AttentionRows;
using kvwave::traces::RowScalar;
using kvwave::traces::TraceReader;

constexpr std::uint32_t kRows = 20;                        ///< rows read at each end
constexpr std::size_t kMostValues = std::size_t{1} << 20;  ///< larger shapes are opened, but not read

/// Runs one read; our own errors are what a damaged file should give.
template <class Read>
void attempt(Read&& read) {
  try {
    read();
  } catch (const kvwave::traces::Error&) {
  }
}

void read_rows(const TraceReader& trace, std::uint32_t begin, std::uint32_t end) {
  const auto& shape = trace.shape();
  const std::size_t rows = end - begin;
  const std::size_t heads = std::size_t{shape.n_layers} * shape.n_q_heads;
  const std::size_t vectors = std::size_t{shape.n_q_heads} * shape.head_dim;
  if (rows * heads * trace.info().rho.size() > kMostValues || rows * vectors > kMostValues) return;
  std::vector<float> floats;
  const auto place = [&](std::size_t count) {
    floats.resize(rows * count);
    return std::span(floats);
  };
  attempt([&] {
    std::vector<std::int32_t> ids(rows);
    trace.token_ids(begin, end, ids);
  });
  attempt([&] { trace.token_logprobs(begin, end, place(1)); });
  attempt([&] { trace.token_bytes(begin, end); });
  attempt([&] { trace.layer_demand(begin, end, place(shape.n_layers * trace.info().rho.size())); });
  attempt([&] {
    std::vector<std::uint32_t> demand(rows * heads * trace.info().rho.size());
    trace.demand(begin, end, demand);
  });
  for (const RowScalar which :
       {RowScalar::entropy, RowScalar::sink_mass, RowScalar::recent_mass, RowScalar::max_prob}) {
    attempt([&] { trace.row_scalar(which, begin, end, place(heads)); });
  }
  AttentionRows attention;
  for (std::uint32_t row = begin; row < end; ++row) attempt([&] { trace.attention(row, attention); });
  for (std::uint32_t layer = 0; layer < std::min(shape.n_layers, 4U); ++layer) {
    const std::size_t kv = std::size_t{shape.n_kv_heads} * shape.head_dim;
    attempt([&] { trace.q(layer, begin, end, place(vectors)); });
    attempt([&] { trace.k(layer, begin, end, place(kv)); });
    attempt([&] { trace.v(layer, begin, end, place(kv)); });
  }
}

void read_trace(const std::filesystem::path& path) {
  TraceReader trace(path, {std::chrono::milliseconds(0)});
  attempt([&] { static_cast<void>(trace.status()); });
  static_cast<void>(trace.level_use());
  const std::uint32_t rows = trace.n_positions();
  read_rows(trace, 0, std::min(rows, kRows));
  read_rows(trace, rows - std::min(rows, kRows), rows);
  if (rows < 1000) attempt([&] { static_cast<void>(trace.content_sha256()); });
  attempt([&] { trace.refresh(); });
}

}  // namespace

/// libhdf5 asks for as much memory as damaged metadata claims (no more of it is touched than the file has) and takes a
/// refusal well, so neither AddressSanitizer nor libFuzzer should call that a finding; the limit on resident memory
/// stays.
extern "C" int LLVMFuzzerInitialize(int* count, char*** arguments) {
  static std::vector<char*> longer(*arguments, *arguments + *count);
  static std::string limit = "-malloc_limit_mb=1000000000";
  longer.push_back(limit.data());
  longer.push_back(nullptr);
  *arguments = longer.data();
  ++*count;
  return 0;
}

/// libhdf5 itself loses small blocks of memory when a file it opens is damaged; our own code is checked for leaks by
/// the tests, which run under the same sanitizer.
extern "C" const char* __asan_default_options() {
  return "detect_leaks=0:allocator_may_return_null=1";
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // HDF5 resolves the real path of what it opens, which a memory file has not; /dev/shm is the next fastest.
  static const std::filesystem::path path = "/dev/shm/kvwave-trace-fuzz-" + std::to_string(getpid());
  std::ofstream(path, std::ios::binary | std::ios::trunc)
      .write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  attempt([&] { read_trace(path); });
  std::filesystem::remove(path);
  return 0;
}
