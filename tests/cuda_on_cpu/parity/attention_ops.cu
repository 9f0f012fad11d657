// Attention, and what happens to q, k and v before it.
#include <cmath>
#include <cstring>
#include <cuda_fp16.h>

#include "kernels/decode_attention_cuda.cuh"
#include "kernels/prefill_attention_cuda.cuh"
#include "kernels/transformer_ops_cuda.cuh"
#include "tests/cuda_on_cpu/parity/device_ops.h"
#include "tests/cuda_on_cpu/parity/test_buffers.h"

namespace kvwave::testing {

using namespace kernels;

namespace {

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

/// Rows as the kernel leaves them, brought to one scale as row_stats_cuda() does.
std::vector<float> probabilities(std::span<const float> exponentials, std::span<const float2> chunks) {
  float largest = -INFINITY;
  for (const float2& chunk : chunks) largest = std::max(largest, chunk.x);
  float sum = 0;
  for (const float2& chunk : chunks) sum += chunk.y * std::exp(chunk.x - largest);
  std::vector<float> row;
  for (std::size_t i = 0; i < exponentials.size(); ++i) {
    row.push_back(exponentials[i] * (std::exp(chunks[i / kChunkKeys].x - largest) / sum));
  }
  return row;
}

/// The cache of one test: old positions filled in, the others garbage.
DeviceBuffer<unsigned char> cache_of(const AttentionCase& c, const std::vector<float>& values, unsigned n_old,
                                     unsigned max_positions, cudaStream_t stream) {
  const unsigned n = c.first + c.n_queries;
  const std::vector<float> by_head = swap_leading(values, n, c.n_kv_heads, c.head_dim);
  std::vector<float> all(std::size_t{c.n_kv_heads} * max_positions * c.head_dim, 1e30F);  // must not matter
  for (unsigned h = 0; h < c.n_kv_heads; ++h) {
    std::copy_n(by_head.data() + std::size_t{h} * n * c.head_dim, std::size_t{n_old} * c.head_dim,
                all.data() + std::size_t{h} * max_positions * c.head_dim);
  }
  return upload(stored(all, c.type), stream);
}

}  // namespace

/// The newest key and value go through the kernel, unrotated; older ones lie in the cache.
AttentionResult run_attention(const AttentionCase& c) {
  const Stream stream;
  const unsigned n = c.first + 1;
  const unsigned max_positions = n + 3;
  const unsigned width = c.n_kv_heads * c.head_dim;
  std::vector<StepInput> host(1);
  host[0].first = c.first;
  host[0].slot = 3;  // the second set of rows
  const auto input = upload(host, stream.get());
  auto k_cache = cache_of(c, c.k, c.first, max_positions, stream.get());
  auto v_cache = cache_of(c, c.v, c.first, max_positions, stream.get());
  const auto newest = [&](const std::vector<float>& values) {
    return std::vector<float>(values.end() - static_cast<std::ptrdiff_t>(width), values.end());
  };
  auto q = upload(c.q, stream.get());
  const auto k = upload(newest(c.k), stream.get());
  const auto v = upload(newest(c.v), stream.get());
  const auto rope = upload(std::vector<float2>(std::size_t{n} * c.head_dim / 2, make_float2(1, 0)), stream.get());
  const unsigned chunks = chunks_of(n) + c.spare_chunks;
  DeviceBuffer<float> rows(std::size_t{kRowSets} * c.n_q_heads * n, kTestUse);
  DeviceBuffer<float> out(c.q.size(), kTestUse);
  DeviceBuffer<float2> stats(std::size_t{kRowSets} * c.n_q_heads * chunks, kTestUse);
  DeviceBuffer<float> partial(std::size_t{c.n_q_heads} * chunks * c.head_dim, kTestUse);
  const auto n_done = upload(std::vector<unsigned>(c.n_q_heads), stream.get());
  AttentionTask task;
  task.qkv.n_q_heads = c.n_q_heads;
  task.qkv.n_kv_heads = c.n_kv_heads;
  task.qkv.head_dim = c.head_dim;
  task.qkv.max_positions = max_positions;
  task.qkv.type = c.type;
  task.qkv.q = q.data();
  task.qkv.k = k.data();
  task.qkv.v = v.data();
  task.qkv.q_stride = c.n_q_heads * c.head_dim;
  task.qkv.kv_stride = width;
  task.qkv.rope = rope.data();
  task.qkv.k_cache = k_cache.data();
  task.qkv.v_cache = v_cache.data();
  task.out = out.data();
  task.rows = rows.data();
  task.row_stride = n;
  task.row_set = std::size_t{c.n_q_heads} * n;
  task.chunk_stats = stats.data();
  task.stats_set = std::size_t{c.n_q_heads} * chunks;
  task.chunk_out = partial.data();
  task.n_done = const_cast<unsigned*>(n_done.data());
  task.max_chunks = chunks;
  decode_attention_cuda(task, input.data(), chunks, stream.get());
  AttentionResult result;
  result.out = download(out, stream.get());
  const std::vector<float> all_rows = download(rows, stream.get());
  const std::vector<float2> all_stats = download(stats, stream.get());
  for (unsigned head = 0; head < c.n_q_heads; ++head) {
    const std::span<const float> row{all_rows.data() + task.row_set + std::size_t{head} * n, n};
    const std::span<const float2> of_chunks{all_stats.data() + task.stats_set + std::size_t{head} * chunks,
                                            chunks_of(n)};
    result.rows.push_back(probabilities(row, of_chunks));
  }
  for (const unsigned count : download(n_done, stream.get())) result.counters_left += count;
  return result;
}

AttentionResult run_prefill_attention(const AttentionCase& c) {
  const Stream stream;
  const unsigned max_positions = c.first + c.n_queries + 3;
  std::vector<StepInput> host(1);
  host[0].first = c.first;
  const auto input = upload(host, stream.get());
  const auto k_cache = cache_of(c, c.k, c.first + c.n_queries, max_positions, stream.get());
  const auto v_cache = cache_of(c, c.v, c.first + c.n_queries, max_positions, stream.get());
  const auto q = upload(loaded(stored(c.q, c.type), c.type), stream.get());
  DeviceBuffer<float> out(c.q.size(), kTestUse);
  PrefillAttentionTask task;
  task.n_q_heads = c.n_q_heads;
  task.n_kv_heads = c.n_kv_heads;
  task.head_dim = c.head_dim;
  task.max_positions = max_positions;
  task.type = c.type;
  task.k_cache = k_cache.data();
  task.v_cache = v_cache.data();
  task.q = q.data();
  task.out = out.data();
  task.stride = c.n_q_heads * c.head_dim;
  prefill_attention_cuda(task, input.data(), c.n_queries, stream.get());
  AttentionResult result;
  result.out = download(out, stream.get());
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
  const unsigned pairs = c.head_dim / 2;
  std::vector<float2> angles(std::size_t{c.first + c.n_positions} * pairs, make_float2(1e30F, 1e30F));
  for (unsigned i = 0; i < c.n_positions * pairs; ++i) {
    angles[c.first * pairs + i] = make_float2(c.cosine[i], c.sine[i]);
  }
  const auto rope = upload(angles, stream.get());
  const auto input = upload(host, stream.get());
  auto q = upload(c.q, stream.get());
  const auto k = upload(c.k, stream.get());
  const auto v = upload(c.v, stream.get());
  const auto q_norm = upload(c.q_norm, stream.get());
  const auto k_norm = upload(c.k_norm, stream.get());
  const unsigned max_positions = c.first + c.n_positions;
  DeviceBuffer<unsigned char> k_cache(std::size_t{max_positions} * kv_width * bytes, kTestUse);
  DeviceBuffer<unsigned char> v_cache(k_cache.size(), kTestUse);
  const std::size_t q_slot = std::size_t{c.n_positions} * q_width;
  const std::size_t kv_slot = std::size_t{c.n_positions} * kv_width;
  DeviceBuffer<unsigned char> q_record(2 * q_slot * bytes, kTestUse);
  DeviceBuffer<unsigned char> k_record(2 * kv_slot * bytes, kTestUse);
  DeviceBuffer<unsigned char> v_record(2 * kv_slot * bytes, kTestUse);
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
  task.rope = rope.data();
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

}  // namespace kvwave::testing
