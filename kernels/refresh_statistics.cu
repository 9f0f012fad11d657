#include <algorithm>

#include "kernels/refresh_statistics.cuh"

namespace kvwave::kernels {

namespace {

constexpr std::size_t kBatchSlots = std::size_t{8} << 20;  // bounds the scratch memory of one batch

// The caches of a batch that one kind of statistics was asked for.
struct CacheList {
  std::vector<RkvCache> cache;
  std::uint32_t max_residents = 0, max_queries = 0;

  void add(const RkvCache& item) {
    cache.push_back(item);
    max_residents = std::max(max_residents, item.n_residents);
    max_queries = std::max(max_queries, item.n_queries);
  }
};

}  // namespace

const float* RefreshStatistics::unit_keys(const DeviceLayer& layer, cudaStream_t stream) {
  if (!unit_is_current_) {
    unit_.reserve(layer.k.size());
    unit_keys_cuda(layer.k.data(), shape_.n_positions * shape_.n_kv_heads, shape_.head_dim, unit_.data(), stream);
    unit_is_current_ = true;
  }
  return unit_.data();
}

std::vector<CacheStatistics> RefreshStatistics::statistics(const DeviceLayer& layer,
                                                           std::span<const CacheStatisticsRequest> requests,
                                                           cudaStream_t stream) {
  std::vector<CacheStatistics> out(requests.size());
  for (std::size_t begin = 0; begin < requests.size();) {
    std::size_t end = begin, slots = 0;
    while (end < requests.size() && (end == begin || slots + requests[end].slots.size() <= kBatchSlots)) {
      slots += requests[end++].slots.size();
    }
    run_batch(layer, requests.subspan(begin, end - begin), std::span(out).subspan(begin, end - begin), stream);
    begin = end;
  }
  return out;
}

void RefreshStatistics::run_batch(const DeviceLayer& layer, std::span<const CacheStatisticsRequest> requests,
                                  std::span<CacheStatistics> out, cudaStream_t stream) {
  const std::uint32_t d = shape_.head_dim;
  const std::uint32_t group = shape_.n_q_heads / shape_.n_kv_heads;
  const bool any_redundancy =
      std::any_of(requests.begin(), requests.end(), [](const CacheStatisticsRequest& r) { return r.redundancy; });
  const float* const unit = any_redundancy ? unit_keys(layer, stream) : nullptr;
  std::size_t n_slots = 0;
  for (const CacheStatisticsRequest& request : requests) n_slots += request.slots.size();
  if (n_slots == 0) return;
  const std::span<std::uint32_t> slots = slots_sent_.reserve(n_slots);
  std::size_t filled = 0;
  CacheList attended, compared;
  for (const CacheStatisticsRequest& request : requests) {
    RkvCache cache;
    cache.query = layer.q.data() + (std::size_t{request.first_query} * shape_.n_q_heads + request.kv_head * group) * d;
    cache.key = layer.k.data() + std::size_t{request.kv_head} * d;
    if (unit != nullptr) cache.unit = unit + std::size_t{request.kv_head} * d;
    cache.first_slot = static_cast<std::uint32_t>(filled);
    cache.n_residents = static_cast<std::uint32_t>(request.slots.size());
    cache.n_candidates = request.n_candidates;
    cache.n_queries = request.n_queries;
    cache.pool_kernel = request.pool_kernel;
    cache.similarity_threshold = request.similarity_threshold;
    cache.round_bf16 = request.round_bf16;
    std::copy(request.slots.begin(), request.slots.end(), slots.data() + filled);
    filled += request.slots.size();
    if (request.importance) attended.add(cache);
    if (request.redundancy) compared.add(cache);
  }

  RkvBatch batch;
  batch.group = group;
  batch.head_dim = d;
  batch.query_stride = shape_.n_q_heads * d;
  batch.key_stride = shape_.n_kv_heads * d;
  batch.position = position_.upload(slots, stream);
  batch.sum = sum_.reserve(slots.size());
  const auto run = [&](const CacheList& list, GrowingBuffer<RkvCache>& buffer, auto&& kernels) {
    if (list.cache.empty()) return;
    batch.cache = buffer.upload(list.cache, stream);
    batch.n_caches = static_cast<std::uint32_t>(list.cache.size());
    batch.max_residents = list.max_residents;
    batch.max_queries = list.max_queries;
    kernels(batch, stream);
  };
  std::span<float> importance, redundancy;
  std::span<std::uint32_t> retained;
  run(attended, attended_, [&](RkvBatch& of, cudaStream_t on) {
    of.logit = logit_.reserve(slots.size() * of.max_queries);
    of.importance = importance_.reserve(slots.size());
    rkv_importance_cuda(of, on);
    importance = importance_taken_.reserve(slots.size());
    importance_.download(importance, on);
  });
  run(compared, compared_, [&](RkvBatch& of, cudaStream_t on) {
    of.redundancy = redundancy_.reserve(slots.size());
    of.retained = retained_.reserve(slots.size());
    of.retained_cosine = cosine_.reserve(slots.size());
    rkv_redundancy_cuda(of, on);
    redundancy = redundancy_taken_.reserve(slots.size());
    retained = retained_taken_.reserve(slots.size());
    redundancy_.download(redundancy, on);
    retained_.download(retained, on);
  });
  KVWAVE_CUDA_CHECK(cudaStreamSynchronize(stream));

  std::size_t first = 0;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const auto at = static_cast<std::ptrdiff_t>(first);
    const auto candidates = static_cast<std::ptrdiff_t>(requests[i].n_candidates);
    const auto residents = static_cast<std::ptrdiff_t>(requests[i].slots.size());
    if (requests[i].importance) {
      out[i].importance.assign(importance.begin() + at, importance.begin() + at + candidates);
    }
    if (requests[i].redundancy) {
      out[i].redundancy.assign(redundancy.begin() + at, redundancy.begin() + at + candidates);
      out[i].retained.assign(retained.begin() + at, retained.begin() + at + residents);
    }
    first += requests[i].slots.size();
  }
}

std::vector<std::vector<std::uint32_t>> RefreshStatistics::select_top(std::span<const SelectionRequest> requests,
                                                                      cudaStream_t stream) {
  std::size_t n_scores = 0;
  for (const SelectionRequest& request : requests) n_scores += request.score.size();
  const std::span<float> score = score_sent_.reserve(n_scores);
  std::size_t filled = 0;
  std::vector<Selection> selection;
  std::uint32_t max_scores = 0, n_out = 0;
  for (const SelectionRequest& request : requests) {
    Selection part;
    part.first_score = static_cast<std::uint32_t>(filled);
    part.n_scores = static_cast<std::uint32_t>(request.score.size());
    part.n_kept = request.n_kept;
    part.first_out = n_out;
    selection.push_back(part);
    std::copy(request.score.begin(), request.score.end(), score.data() + filled);
    filled += request.score.size();
    max_scores = std::max(max_scores, part.n_scores);
    n_out += part.n_kept;
  }
  const std::span<std::uint32_t> order = order_taken_.reserve(n_out);
  if (n_out > 0) {
    const float* const scores = score_.upload(score, stream);
    const Selection* const parts = selection_.upload(selection, stream);
    std::uint32_t* const to = order_.reserve(n_out);
    select_top_cuda(scores, parts, static_cast<std::uint32_t>(selection.size()), max_scores, to, stream);
    order_.download(order, stream);
    KVWAVE_CUDA_CHECK(cudaStreamSynchronize(stream));
  }
  std::vector<std::vector<std::uint32_t>> out;
  for (const Selection& part : selection) {
    const auto begin = order.begin() + static_cast<std::ptrdiff_t>(part.first_out);
    out.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(part.n_kept));
  }
  return out;
}

}  // namespace kvwave::kernels
