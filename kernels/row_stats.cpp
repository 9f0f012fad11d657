#include "kernels/row_stats.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <cstring>
#include <emmintrin.h>
#include <limits>

#include "kernels/cpu_features.h"
#include "kernels/row_stats_passes.h"
#include "kernels/row_stats_sums.h"

namespace kvwave::kernels {
namespace {

const RowPasses& row_passes() {
  switch (simd_path()) {
    case SimdPath::avx512:
      return kRowPassesAvx512;
    case SimdPath::avx2:
      return kRowPassesAvx2;
    case SimdPath::baseline:
      break;
  }
  return kRowPassesBaseline;
}

/// Copies the bits of every value whose bucket is `wanted`; `bucket` is padded to whole lanes.
std::size_t collect_bucket(std::span<const float> row, const std::uint16_t* bucket, std::uint16_t wanted,
                           std::uint32_t* out) {
  const __m128i key = _mm_set1_epi16(static_cast<std::int16_t>(wanted));
  std::size_t count = 0;
  for (std::size_t i = 0; i < row.size(); i += kRowLanes) {
    const __m128i a = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bucket + i));
    const __m128i b = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bucket + i + 8));
    const __m128i hits = _mm_packs_epi16(_mm_cmpeq_epi16(a, key), _mm_cmpeq_epi16(b, key));
    auto mask = static_cast<unsigned>(_mm_movemask_epi8(hits));
    if (row.size() - i < kRowLanes) mask &= (1U << (row.size() - i)) - 1U;
    for (; mask != 0; mask &= mask - 1) {
      out[count++] = std::bit_cast<std::uint32_t>(row[i + static_cast<unsigned>(__builtin_ctz(mask))]);
    }
  }
  return count;
}

struct Boundary {
  std::uint32_t taken = 0, threshold = 0, ties_taken = 0, ties = 0;
};

/// Takes a run of equal values while `need` is not reached; true when it now is.
bool take_ties(std::uint32_t value, std::uint32_t ties, std::uint64_t& need, Boundary& at) {
  const std::uint64_t each = exact_units(value);
  if (each * ties < need) {
    need -= each * ties;
    at.taken += ties;
    return false;
  }
  at.threshold = value;
  at.ties = ties;
  at.ties_taken = ties == 1 ? 1 : static_cast<std::uint32_t>((need + each - 1) / each);  // division is slow
  at.taken += at.ties_taken;
  return true;
}

/// How many of the values, largest first, reach `need` (>= 1; all together do): a quickselect by mass.
Boundary reach(std::span<std::uint32_t> values, std::uint64_t need) {
  constexpr std::size_t kSortBelow = 24;
  Boundary at;
  int rounds =
      4 * static_cast<int>(std::bit_width(values.size()));  // then the rest is sorted: no input makes this quadratic
  while (values.size() > kSortBelow && rounds-- > 0) {
    const std::uint32_t a = values.front(), b = values[values.size() / 2], c = values.back();
    const std::uint32_t pivot = std::max(std::min(a, b), std::min(std::max(a, b), c));
    const auto larger_end = std::partition(values.begin(), values.end(), [=](std::uint32_t v) { return v > pivot; });
    const std::span<std::uint32_t> larger(values.begin(), larger_end);
    std::uint64_t mass = 0;
    for (const std::uint32_t v : larger) mass += exact_units(v);
    if (mass >= need) {
      values = larger;
      continue;
    }
    need -= mass;
    at.taken += static_cast<std::uint32_t>(larger.size());
    const auto equal_end = std::partition(larger_end, values.end(), [=](std::uint32_t v) { return v == pivot; });
    if (take_ties(pivot, static_cast<std::uint32_t>(equal_end - larger_end), need, at)) return at;
    values = {equal_end, values.end()};
  }
  std::sort(values.begin(), values.end(), std::greater<>());
  for (std::size_t i = 0; i < values.size();) {
    std::size_t end = i + 1;
    while (end < values.size() && values[end] == values[i]) ++end;
    if (take_ties(values[i], static_cast<std::uint32_t>(end - i), need, at)) return at;
    i = end;
  }
  assert(false && "the values do not reach the needed mass");
  return at;
}

}  // namespace

RowAnalyser::RowAnalyser() : bucket_sum_(kBuckets), bucket_count_(kBuckets) {}

std::uint32_t RowAnalyser::read(std::span<const float> attn_prob) {
  assert(!attn_prob.empty());
  row_ = attn_prob;
  const std::size_t padded = (row_.size() + kRowLanes - 1) / kRowLanes * kRowLanes;
  if (bucket_.size() < padded) {
    bucket_.resize(padded);
    candidate_.resize(padded);
  }
  const RowScan scan = row_passes().scan(row_.data(), row_.size(), bucket_.data());
  entropy_ = scan.entropy;
  max_prob_ = scan.max_prob;
  invalid_ = scan.invalid;
  total_ = 0;
  if (invalid_ != 0) return invalid_;

  std::fill(bucket_sum_.begin(), bucket_sum_.end(), 0);
  std::fill(bucket_count_.begin(), bucket_count_.end(), 0);
  for (std::size_t i = 0; i < row_.size(); ++i) {
    const std::uint64_t units = exact_units(row_[i]);
    bucket_sum_[bucket_[i]] += units;
    bucket_count_[bucket_[i]] += 1;
    total_ += units;
  }
  const std::uint32_t top = std::bit_cast<std::uint32_t>(max_prob_) >> kBucketShift;
  top_bucket_ = top > kBucketBase ? top - kBucketBase : 0;
  return 0;
}

RowAnalyser::Cut RowAnalyser::cut(std::uint64_t target, Walk& walk) {
  Walk place = walk;  // a local stays in registers
  while (place.sum + bucket_sum_[place.bucket] < target) {
    place.sum += bucket_sum_[place.bucket];
    place.count += bucket_count_[place.bucket];
    --place.bucket;  // cannot pass bucket 0: target is at most the total
  }
  walk = place;
  const std::size_t members =
      collect_bucket(row_, bucket_.data(), static_cast<std::uint16_t>(walk.bucket), candidate_.data());
  const Boundary at = reach({candidate_.data(), members}, target - walk.sum);
  return {walk.count + at.taken, at.threshold, at.ties_taken, at.ties};
}

void RowAnalyser::demand(std::span<const double> rho, std::span<std::uint32_t> out) {
  assert(rho.size() == out.size());
  Walk walk{top_bucket_, 0, 0};
  for (std::size_t i = 0; i < rho.size(); ++i) {
    const std::uint64_t target = exact_target(rho[i]);
    out[i] = target <= total_ ? cut(target, walk).count : static_cast<std::uint32_t>(row_.size());
  }
}

RowStats RowAnalyser::stats(std::uint32_t n_sink, std::uint32_t n_recent) const {
  if (invalid_ != 0) {
    constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
    return {kNan, kNan, kNan, kNan};
  }
  RowStats result;
  result.entropy = static_cast<float>(entropy_);
  result.sink_mass = exact_mass(row_.first(std::min<std::size_t>(n_sink, row_.size())));
  result.recent_mass = exact_mass(row_.last(std::min<std::size_t>(n_recent, row_.size())));
  result.max_prob = max_prob_;
  return result;
}

float RowAnalyser::append_covering(double epsilon, ProbType type, std::vector<std::uint32_t>& position,
                                   std::vector<std::byte>& prob) {
  assert(epsilon >= 0 && epsilon < 1);
  if (invalid_ != 0) return 1.0F;
  Cut cover{static_cast<std::uint32_t>(row_.size()), 0, 0, 0};  // all
  if (const std::uint64_t target = covering_target(epsilon, total_); epsilon > 0 && target > 0) {
    Walk walk{top_bucket_, 0, 0};
    cover = cut(target, walk);
  }
  const std::size_t old_entries = position.size();
  position.resize(old_entries + row_.size() + kRowLanes);  // room for whole lanes, cut back below
  kept_.resize(std::max(kept_.size(), row_.size() + kRowLanes));
  std::size_t count = row_passes().keep_at_least(row_.data(), row_.size(), std::bit_cast<float>(cover.threshold),
                                                 position.data() + old_entries, kept_.data());
  if (cover.ties_taken < cover.ties) {  // only the lowest positions of those equal to the threshold
    std::uint32_t ties = 0;
    std::size_t to = 0;
    for (std::size_t from = 0; from < count; ++from) {
      const bool tie = std::bit_cast<std::uint32_t>(kept_[from]) == cover.threshold;
      if (tie && ties++ >= cover.ties_taken) continue;
      position[old_entries + to] = position[old_entries + from];
      kept_[to++] = kept_[from];
    }
    count = to;
  }
  assert(count == cover.count);
  position.resize(old_entries + count);

  const std::size_t old_bytes = prob.size();
  if (type == ProbType::f32) {
    prob.resize(old_bytes + count * sizeof(float));
    std::memcpy(prob.data() + old_bytes, kept_.data(), count * sizeof(float));
    return exact_residual({kept_.data(), count});
  }
  prob.resize(old_bytes + (count + kRowLanes) * sizeof(std::uint16_t));
  const double stored =
      row_passes().store_f16(kept_.data(), count, reinterpret_cast<std::uint16_t*>(prob.data() + old_bytes));
  prob.resize(old_bytes + count * sizeof(std::uint16_t));
  return round_up_residual(1.0 - stored);
}

std::uint32_t row_stats(std::span<const float> attn_prob, std::span<const double> rho, std::uint32_t n_sink,
                        std::uint32_t n_recent, std::span<std::uint32_t> demand, RowStats& stats, RowScratch& scratch) {
  const std::uint32_t invalid = scratch.read(attn_prob);
  scratch.demand(rho, demand);
  stats = scratch.stats(n_sink, n_recent);
  return invalid;
}

float select_covering(std::span<const float> attn_prob, double epsilon, ProbType type,
                      std::vector<std::uint32_t>& position, std::vector<std::byte>& prob, RowScratch& scratch) {
  scratch.read(attn_prob);
  return scratch.append_covering(epsilon, type, position, prob);
}

}  // namespace kvwave::kernels
