// Statistics and covering sets.
#include <cmath>

#include "kernels/decode_attention_cuda.cuh"
#include "kernels/row_stats_cuda.cuh"
#include "kernels/row_stats_sums.h"
#include "tests/cuda_on_cpu/parity/device_ops.h"
#include "tests/cuda_on_cpu/parity/test_buffers.h"

namespace kvwave::testing {

using namespace kernels;

namespace {

/// Turns probabilities into what attention leaves: each chunk relative to a logit of its own.
void scale_chunks(const RowStatsCase& c, std::size_t n, std::size_t row_stride, unsigned max_chunks,
                  std::vector<float>& rows, std::vector<float2>& chunks) {
  for (std::size_t h = 0; h < c.rows.size(); ++h) {
    for (std::size_t i = 0; i < n; ++i) {
      const std::size_t chunk = i / kChunkKeys;
      float2& stats = chunks[h * max_chunks + chunk];
      if (i % kChunkKeys == 0) stats = make_float2(c.chunk_logit[chunk], 0);
      float& value = rows[h * row_stride + i];
      value *= std::exp(-c.chunk_logit[chunk]);
      stats.y += value;
    }
  }
}

}  // namespace

RowStatsResult run_row_stats(const RowStatsCase& c) {
  const Stream stream;
  const auto heads = static_cast<unsigned>(c.rows.size());
  const std::size_t n = c.rows.front().size();
  const std::size_t row_stride = n + 5;
  std::vector<float> host_rows(heads * row_stride, 1e30F);
  for (unsigned h = 0; h < heads; ++h)
    std::copy(c.rows[h].begin(), c.rows[h].end(), host_rows.begin() + static_cast<std::ptrdiff_t>(h * row_stride));
  // Rows that are probabilities already: the first chunk says so for all of them.
  const unsigned max_chunks = chunks_of(static_cast<unsigned>(n)) + 2;
  std::vector<float2> chunks(std::size_t{heads} * max_chunks, make_float2(0, 0));
  for (std::size_t h = 0; h < heads; ++h) chunks[h * max_chunks].y = 1;
  if (!c.chunk_logit.empty()) scale_chunks(c, n, row_stride, max_chunks, host_rows, chunks);
  const auto chunk_stats = upload(chunks, stream.get());
  auto rows = upload(host_rows, stream.get());
  DeviceBuffer<std::uint32_t> demand(heads * c.rho.size(), kTestUse);
  DeviceBuffer<RowStats> stats(heads, kTestUse);
  DeviceBuffer<std::uint32_t> n_invalid(heads, kTestUse);
  DeviceBuffer<std::uint32_t> count(heads, kTestUse);
  DeviceBuffer<float> residual(heads, kTestUse);
  DeviceBuffer<std::uint32_t> position(heads * n, kTestUse);
  DeviceBuffer<std::byte> prob(heads * n * 4, kTestUse);
  DeviceBuffer<std::uint32_t> total(1, kTestUse);
  DeviceBuffer<uint3> cuts(heads, kTestUse);
  RowStatsTask task;
  task.rows = rows.data();
  task.row_stride = row_stride;
  task.chunk_stats = chunk_stats.data();
  task.max_chunks = max_chunks;
  task.n_rows = heads;
  task.length = static_cast<unsigned>(n);
  task.n_rho = static_cast<unsigned>(c.rho.size());
  for (std::size_t i = 0; i < c.rho.size(); ++i) task.rho_target[i] = exact_target(c.rho[i]);
  task.keep = 1.0 - c.epsilon;
  task.covering = true;
  task.n_sink = c.n_sink;
  task.n_recent = c.n_recent;
  task.out = {demand.data(), stats.data(), n_invalid.data(), count.data(), residual.data()};
  task.sets = {position.data(), prob.data(), total.data(), c.type};
  task.cuts = cuts.data();
  row_stats_cuda(task, stream.get());
  RowStatsResult result;
  result.rows = download(rows, stream.get());
  result.demand = download(demand, stream.get());
  result.stats = download(stats, stream.get());
  result.n_invalid = download(n_invalid, stream.get());
  result.count = download(count, stream.get());
  result.residual = download(residual, stream.get());
  result.position = download(position, stream.get());
  result.prob = download(prob, stream.get());
  const std::uint32_t entries = download(total, stream.get())[0];
  result.position.resize(entries);
  result.prob.resize(entries * (c.type == ProbType::f16 ? 2 : 4));
  return result;
}

}  // namespace kvwave::testing
