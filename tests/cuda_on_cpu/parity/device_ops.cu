#include <algorithm>
#include <cstring>
#include <cuda_fp16.h>

#include "kernels/cuda_matrix.cuh"
#include "kernels/cuda_stream.cuh"
#include "kernels/decode_attention_cuda.cuh"
#include "kernels/device.h"
#include "kernels/gemv_cuda.cuh"
#include "kernels/row_stats_cuda.cuh"
#include "kernels/row_stats_sums.h"
#include "kernels/transformer_ops_cuda.cuh"
#include "tests/cuda_on_cpu/parity/device_ops.h"

namespace kvwave::testing {

using namespace kernels;

namespace {

constexpr MemoryUse kUse{"a test", "test less"};

/// Device memory that starts as a copy of host values, or as garbage of the given size.
template <class T>
DeviceBuffer<T> upload(const std::vector<T>& values, cudaStream_t stream) {
  DeviceBuffer<T> buffer(values.size(), kUse);
  buffer.upload(values, stream);
  return buffer;
}
template <class T>
std::vector<T> download(const DeviceBuffer<T>& buffer, cudaStream_t stream) {
  std::vector<T> values(buffer.size());
  buffer.download(std::span<T>(values), stream);
  KVWAVE_CUDA_CHECK(cudaStreamSynchronize(stream));
  return values;
}

/// Rows of `width` values at the device's stride.
std::vector<float> with_stride(std::span<const float> values, unsigned width) {
  const std::size_t rows = values.size() / width;
  const unsigned stride = padded_width(width);
  std::vector<float> padded(rows * stride, 1e30F);  // padding must not matter
  for (std::size_t r = 0; r < rows; ++r) std::copy_n(values.data() + r * width, width, padded.data() + r * stride);
  return padded;
}
std::vector<float> without_stride(const std::vector<float>& padded, unsigned width) {
  const unsigned stride = padded_width(width);
  std::vector<float> values;
  for (std::size_t at = 0; at < padded.size(); at += stride) {
    values.insert(values.end(), padded.data() + at, padded.data() + at + width);
  }
  return values;
}

std::vector<unsigned char> stored(std::span<const float> values, KvType type) {
  std::vector<unsigned char> bytes(values.size() * (type == KvType::f16 ? 2 : 4));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const __half half = __float2half_rn(values[i]);
    if (type == KvType::f16) {
      std::memcpy(bytes.data() + 2 * i, &half, 2);
    } else {
      std::memcpy(bytes.data() + 4 * i, &values[i], 4);
    }
  }
  return bytes;
}
std::vector<float> loaded(const std::vector<unsigned char>& bytes, KvType type) {
  std::vector<float> values(bytes.size() / (type == KvType::f16 ? 2 : 4));
  for (std::size_t i = 0; i < values.size(); ++i) {
    __half half;
    if (type == KvType::f16) {
      std::memcpy(&half, bytes.data() + 2 * i, 2);
      values[i] = __half2float(half);
    } else {
      std::memcpy(&values[i], bytes.data() + 4 * i, 4);
    }
  }
  return values;
}
/// [position, kv_head, d] to the cache's [kv_head, position, d] or back.
std::vector<float> swap_leading(std::span<const float> values, std::size_t a, std::size_t b, std::size_t d) {
  std::vector<float> swapped(values.size());
  for (std::size_t i = 0; i < a; ++i) {
    for (std::size_t j = 0; j < b; ++j) {
      std::copy_n(values.data() + (i * b + j) * d, d, swapped.data() + (j * a + i) * d);
    }
  }
  return swapped;
}

}  // namespace

std::string why_no_device() {
  const DeviceList list = list_devices();
  if (!list.why_none.empty()) return list.why_none;
  return list.cuda.empty() ? "no device" : list.cuda.front().why_unusable;
}

std::vector<std::vector<float>> run_gemv(const GemvCase& c) {
  const Stream stream;
  const unsigned cols = c.matrices.front().cols;
  const auto x = upload(with_stride(c.x, cols), stream.get());
  const auto up = upload(with_stride(c.up, cols), stream.get());
  const auto norm = upload(with_stride(c.norm, cols), stream.get());
  std::vector<UploadedMatrix> matrices;
  std::vector<DeviceBuffer<float>> outs;
  std::vector<DeviceBuffer<float>> biases;
  std::vector<GemvOutput> outputs;
  for (std::size_t i = 0; i < c.matrices.size(); ++i) {
    const unsigned rows = c.matrices[i].rows;
    matrices.emplace_back(c.matrices[i], stream.get());
    outs.push_back(upload(
        std::vector<float>(std::size_t{c.n_positions} * padded_width(rows), c.before.empty() ? 0.0F : c.before[0]),
        stream.get()));
    biases.push_back(upload(i < c.bias.size() ? c.bias[i] : std::vector<float>{}, stream.get()));
    outputs.push_back(
        {matrices.back().view(), biases.back().data(), outs.back().data(), padded_width(rows), !c.before.empty()});
  }
  gemv_cuda({x.data(), c.up.empty() ? nullptr : up.data(), c.norm.empty() ? nullptr : norm.data(), c.epsilon,
             padded_width(cols), c.n_positions},
            outputs.data(), static_cast<unsigned>(outputs.size()), stream.get());
  std::vector<std::vector<float>> results;
  for (std::size_t i = 0; i < outs.size(); ++i) {
    results.push_back(without_stride(download(outs[i], stream.get()), c.matrices[i].rows));
  }
  return results;
}

std::vector<float> run_embed(const ParamMatrix& embedding, std::span<const std::int32_t> tokens) {
  const Stream stream;
  const UploadedMatrix matrix(embedding, stream.get());
  std::vector<StepInput> host(1);
  std::copy(tokens.begin(), tokens.end(), host[0].token);
  const auto input = upload(host, stream.get());
  const unsigned stride = padded_width(embedding.cols);
  DeviceBuffer<float> x(tokens.size() * stride, kUse);
  embed_cuda(matrix.view(), input.data(), static_cast<unsigned>(tokens.size()), x.data(), stride, stream.get());
  return without_stride(download(x, stream.get()), embedding.cols);
}

AttentionResult run_attention(const AttentionCase& c) {
  const Stream stream;
  const unsigned n = c.first + c.n_queries;
  const unsigned max_positions = n + 3;
  const unsigned width = c.n_q_heads * c.head_dim;
  std::vector<StepInput> host(1);
  host[0].first = c.first;
  const auto input = upload(host, stream.get());
  const auto cache = [&](const std::vector<float>& values) {
    std::vector<float> by_head = swap_leading(values, n, c.n_kv_heads, c.head_dim);
    std::vector<float> all(std::size_t{c.n_kv_heads} * max_positions * c.head_dim,
                           1e30F);  // unused keys must not matter
    for (unsigned h = 0; h < c.n_kv_heads; ++h) {
      std::copy_n(by_head.data() + std::size_t{h} * n * c.head_dim, std::size_t{n} * c.head_dim,
                  all.data() + std::size_t{h} * max_positions * c.head_dim);
    }
    return upload(stored(all, c.type), stream.get());
  };
  const auto k = cache(c.k);
  const auto v = cache(c.v);
  const auto q = upload(c.q, stream.get());
  const std::size_t heads = std::size_t{c.n_queries} * c.n_q_heads;
  const unsigned chunks = chunks_of(n) + c.spare_chunks;
  DeviceBuffer<float> rows(heads * n, kUse);
  DeviceBuffer<float> out(c.q.size(), kUse);
  DeviceBuffer<float2> stats(heads * chunks, kUse);
  DeviceBuffer<float> partial(heads * chunks * c.head_dim, kUse);
  AttentionTask task;
  task.n_q_heads = c.n_q_heads;
  task.n_kv_heads = c.n_kv_heads;
  task.head_dim = c.head_dim;
  task.max_positions = max_positions;
  task.type = c.type;
  task.k_cache = k.data();
  task.v_cache = v.data();
  task.q = q.data();
  task.out = out.data();
  task.stride = width;
  task.rows = rows.data();
  task.row_stride = n;
  task.chunk_stats = stats.data();
  task.chunk_out = partial.data();
  task.max_chunks = chunks;
  decode_attention_cuda(task, input.data(), c.n_queries, chunks, stream.get());
  AttentionResult result;
  result.out = download(out, stream.get());
  const std::vector<float> all = download(rows, stream.get());
  for (std::size_t head = 0; head < heads; ++head) {
    const std::size_t length = c.first + head / c.n_q_heads + 1;
    result.rows.emplace_back(all.begin() + static_cast<std::ptrdiff_t>(head * n),
                             all.begin() + static_cast<std::ptrdiff_t>(head * n + length));
  }
  return result;
}

QkvResult run_store_qkv(const QkvCase& c) {
  const Stream stream;
  const unsigned q_width = c.n_q_heads * c.head_dim;
  const unsigned kv_width = c.n_kv_heads * c.head_dim;
  const std::size_t bytes = c.type == KvType::f16 ? 2 : 4;
  std::vector<StepInput> host(1);
  host[0].first = c.first;
  host[0].slot = 1;
  for (unsigned p = 0; p < c.n_positions; ++p) {
    for (unsigned i = 0; i < c.head_dim / 2; ++i) {
      host[0].rope[p][i] = make_float2(c.cosine[p * (c.head_dim / 2) + i], c.sine[p * (c.head_dim / 2) + i]);
    }
  }
  const auto input = upload(host, stream.get());
  auto q = upload(c.q, stream.get());
  const auto k = upload(c.k, stream.get());
  const auto v = upload(c.v, stream.get());
  const auto q_norm = upload(c.q_norm, stream.get());
  const auto k_norm = upload(c.k_norm, stream.get());
  const unsigned max_positions = c.first + c.n_positions;
  DeviceBuffer<unsigned char> k_cache(std::size_t{max_positions} * kv_width * bytes, kUse);
  DeviceBuffer<unsigned char> v_cache(k_cache.size(), kUse);
  const std::size_t q_slot = std::size_t{c.n_positions} * q_width;
  const std::size_t kv_slot = std::size_t{c.n_positions} * kv_width;
  DeviceBuffer<unsigned char> q_record(2 * q_slot * bytes, kUse);
  DeviceBuffer<unsigned char> k_record(2 * kv_slot * bytes, kUse);
  DeviceBuffer<unsigned char> v_record(2 * kv_slot * bytes, kUse);
  QkvTask task;
  task.n_q_heads = c.n_q_heads;
  task.n_kv_heads = c.n_kv_heads;
  task.head_dim = c.head_dim;
  task.max_positions = max_positions;
  task.interleaved = c.interleaved;
  task.type = c.type;
  task.q = q.data();
  task.k = k.data();
  task.v = v.data();
  task.q_stride = q_width;
  task.kv_stride = kv_width;
  task.q_norm = c.q_norm.empty() ? nullptr : q_norm.data();
  task.k_norm = c.k_norm.empty() ? nullptr : k_norm.data();
  task.epsilon = c.epsilon;
  task.k_cache = k_cache.data();
  task.v_cache = v_cache.data();
  task.record_q = q_record.data();
  task.record_k = k_record.data();
  task.record_v = v_record.data();
  task.record_q_slot = q_slot;
  task.record_kv_slot = kv_slot;
  task.record_q_position = q_width;
  task.record_kv_position = kv_width;
  store_qkv_cuda(task, input.data(), c.n_positions, stream.get());
  const auto tail = [](std::vector<float> values, std::size_t count) {
    return std::vector<float>(values.end() - static_cast<std::ptrdiff_t>(count), values.end());
  };
  const auto from_cache = [&](const DeviceBuffer<unsigned char>& cache) {
    return tail(swap_leading(loaded(download(cache, stream.get()), c.type), c.n_kv_heads, max_positions, c.head_dim),
                kv_slot);
  };
  QkvResult result;
  result.q = download(q, stream.get());
  result.k_cache = from_cache(k_cache);
  result.v_cache = from_cache(v_cache);
  result.q_record = tail(loaded(download(q_record, stream.get()), c.type), q_slot);
  result.k_record = tail(loaded(download(k_record, stream.get()), c.type), kv_slot);
  result.v_record = tail(loaded(download(v_record, stream.get()), c.type), kv_slot);
  return result;
}

RowStatsResult run_row_stats(const RowStatsCase& c) {
  const Stream stream;
  const auto heads = static_cast<unsigned>(c.rows.size());
  const std::size_t n = c.rows.front().size();
  const std::size_t row_stride = n + 5;
  std::vector<float> host_rows(heads * row_stride, 1e30F);
  for (unsigned h = 0; h < heads; ++h)
    std::copy(c.rows[h].begin(), c.rows[h].end(), host_rows.begin() + static_cast<std::ptrdiff_t>(h * row_stride));
  std::vector<StepInput> host(1);
  host[0].first = static_cast<unsigned>(n - 1);
  const auto input = upload(host, stream.get());
  const auto rows = upload(host_rows, stream.get());
  DeviceBuffer<std::uint32_t> demand(heads * c.rho.size(), kUse);
  DeviceBuffer<RowStats> stats(heads, kUse);
  DeviceBuffer<std::uint32_t> n_invalid(heads, kUse);
  DeviceBuffer<std::uint32_t> count(heads, kUse);
  DeviceBuffer<float> residual(heads, kUse);
  DeviceBuffer<std::uint32_t> position(heads * n, kUse);
  DeviceBuffer<std::byte> prob(heads * n * 4, kUse);
  DeviceBuffer<std::uint32_t> total(1, kUse);
  DeviceBuffer<uint3> cuts(heads, kUse);
  RowStatsTask task;
  task.rows = rows.data();
  task.row_stride = row_stride;
  task.n_q_heads = heads;
  task.n_rho = static_cast<unsigned>(c.rho.size());
  for (std::size_t i = 0; i < c.rho.size(); ++i) task.rho_target[i] = exact_target(c.rho[i]);
  task.keep = 1.0 - c.epsilon;
  task.covering = true;
  task.n_sink = c.n_sink;
  task.n_recent = c.n_recent;
  task.first_layer = true;
  task.out = {demand.data(), stats.data(), n_invalid.data(), count.data(), residual.data()};
  task.sets = {position.data(), prob.data(), total.data(), c.type};
  task.cuts = cuts.data();
  row_stats_cuda(task, input.data(), stream.get());
  RowStatsResult result;
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
