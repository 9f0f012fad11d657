#include "capture/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/logits.h"

namespace kvwave::capture {
namespace {

std::uint64_t split_mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31);
}

}  // namespace

double uniform_at(std::uint64_t seed, std::uint64_t step) {
  constexpr std::uint64_t kGolden = 0x9E3779B97F4A7C15U;
  return static_cast<double>(split_mix(split_mix(seed + kGolden) + (step + 1) * kGolden) >> 11) * 0x1p-53;
}

double log_probability(std::span<const float> logits, std::int32_t id) {
  const float top = kernels::largest(logits);
  return static_cast<double>(logits[static_cast<std::size_t>(id)] - top) -
         std::log(kernels::exp_below(logits, top, 1.0F, {}));
}

Sampler::Sampler(const SamplingOptions& options, std::span<const std::int32_t> banned)
    : options_(options), banned_(banned.begin(), banned.end()) {
  std::sort(banned_.begin(), banned_.end());
}

bool Sampler::likelier(const Candidate& a, const Candidate& b) {
  return a.p != b.p ? a.p > b.p : a.id < b.id;
}

bool Sampler::banned(std::int32_t id) const {
  return std::binary_search(banned_.begin(), banned_.end(), id);
}

std::int32_t Sampler::greedy(std::span<const float> logits) const {
  const auto at = std::find(logits.begin(), logits.end(), kernels::largest(logits));
  const auto top = static_cast<std::int32_t>(at - logits.begin());
  if (!banned(top)) return top;
  std::int32_t best = -1;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const auto id = static_cast<std::int32_t>(i);
    if ((best < 0 || logits[i] > logits[static_cast<std::size_t>(best)]) && !banned(id)) best = id;
  }
  return best;
}

void Sampler::collect_above(float cut) {
  candidates_.clear();
  for (std::size_t i = 0; i < share_.size(); ++i) {
    if (share_[i] > cut) candidates_.push_back({static_cast<std::int32_t>(i), static_cast<double>(share_[i])});
  }
}

bool Sampler::cut_to_nucleus(double wanted) {
  std::sort(candidates_.begin(), candidates_.end(), likelier);
  double sum = 0;
  for (std::size_t i = 0; i < candidates_.size(); ++i) {
    sum += candidates_[i].p;
    if (sum < wanted) continue;
    candidates_.resize(i + 1);
    return true;
  }
  return false;
}

void Sampler::find_candidates(std::span<const float> logits, float top_logit) {
  share_.assign(logits.begin(), logits.end());
  for (const std::int32_t id : banned_) share_[static_cast<std::size_t>(id)] = std::numeric_limits<float>::lowest();
  const auto scale = static_cast<float>(std::min(1.0 / options_.temperature, 1e30));
  const double total = kernels::exp_below(share_, top_logit, scale, share_);
  if (options_.top_k > 0 || options_.min_p > 0) return cut_candidates();
  if (options_.top_p >= 1) return collect_above(0.0F);
  // A sampled distribution is steep: the nucleus nearly always lies in the few largest, so only those above a cut are
  // sorted, and the cut is lowered when they do not suffice.
  for (const float cut : {1e-2F, 1e-4F, 1e-7F, 0.0F}) {
    collect_above(cut);
    if (cut_to_nucleus(options_.top_p * total)) break;
  }
  std::sort(candidates_.begin(), candidates_.end(), [](const Candidate& a, const Candidate& b) { return a.id < b.id; });
}

// top_k, top_p and min_p in this order; shares are relative to the largest.
void Sampler::cut_candidates() {
  collect_above(0.0F);
  std::sort(candidates_.begin(), candidates_.end(), likelier);
  if (options_.top_k > 0 && candidates_.size() > options_.top_k) candidates_.resize(options_.top_k);
  double total = 0;
  for (const Candidate& candidate : candidates_) total += candidate.p;
  if (options_.top_p < 1) cut_to_nucleus(options_.top_p * total);
  std::erase_if(candidates_, [this](const Candidate& candidate) { return candidate.p < options_.min_p; });
  std::sort(candidates_.begin(), candidates_.end(), [](const Candidate& a, const Candidate& b) { return a.id < b.id; });
}

void Sampler::observe(std::int32_t id) {
  const auto place = std::lower_bound(seen_.begin(), seen_.end(), id);
  if (place == seen_.end() || *place != id) seen_.insert(place, id);
}

std::span<const float> Sampler::with_penalty(std::span<const float> logits) {
  if (options_.repetition_penalty == 1 || seen_.empty()) return logits;
  penalised_.assign(logits.begin(), logits.end());
  const auto penalty = static_cast<float>(options_.repetition_penalty);
  for (const std::int32_t id : seen_) {
    float& logit = penalised_[static_cast<std::size_t>(id)];
    logit = logit > 0 ? logit / penalty : logit * penalty;
  }
  return penalised_;
}

std::int32_t Sampler::choose(std::span<const float> raw_logits, std::uint64_t step) {
  const std::span<const float> logits = with_penalty(raw_logits);
  const std::int32_t best = greedy(logits);
  if (options_.temperature <= 0 || best < 0) return best;
  find_candidates(logits, logits[static_cast<std::size_t>(best)]);
  double total = 0;
  for (const Candidate& candidate : candidates_) total += candidate.p;
  const double wanted = uniform_at(options_.seed, step) * total;
  double sum = 0;
  for (const Candidate& candidate : candidates_) {
    sum += candidate.p;
    if (sum > wanted) return candidate.id;
  }
  return candidates_.back().id;  // rounding: the cumulative sum stopped just short
}

}  // namespace kvwave::capture
