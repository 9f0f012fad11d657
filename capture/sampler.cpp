#include "capture/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

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
  const float top = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) {
    const float below = logit - top;
    if (below > -50.0F) sum += std::exp(static_cast<double>(below));  // smaller terms are below fp64 rounding
  }
  return static_cast<double>(logits[static_cast<std::size_t>(id)] - top) - std::log(sum);
}

Sampler::Sampler(const SamplingOptions& options, std::span<const std::int32_t> banned)
    : options_(options), banned_(banned.begin(), banned.end()) {
  std::sort(banned_.begin(), banned_.end());
}

bool Sampler::banned(std::int32_t id) const {
  return std::binary_search(banned_.begin(), banned_.end(), id);
}

std::int32_t Sampler::greedy(std::span<const float> logits) const {
  std::int32_t best = -1;
  float best_logit = -std::numeric_limits<float>::infinity();
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const auto id = static_cast<std::int32_t>(i);
    if ((best < 0 || logits[i] > best_logit) && !banned(id)) {
      best = id;
      best_logit = logits[i];
    }
  }
  return best;
}

void Sampler::find_nucleus(std::span<const float> logits, float top_logit) {
  const auto by_id = [](const Candidate& a, const Candidate& b) { return a.id < b.id; };
  double total = 0;
  candidates_.clear();
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const auto id = static_cast<std::int32_t>(i);
    const double p = std::exp(static_cast<double>(logits[i] - top_logit) / options_.temperature);
    if (p <= 0 || banned(id)) continue;
    total += p;
    candidates_.push_back({id, p});
  }
  if (options_.top_p >= 1) return;
  // A sampled distribution is steep: the nucleus nearly always lies in the few largest, so sort only those above a cut
  // and lower the cut when they do not suffice.
  const double wanted = options_.top_p * total;
  for (double cut = 1e-2;; cut *= 1e-2) {
    const auto end =
        std::partition(candidates_.begin(), candidates_.end(), [=](const Candidate& c) { return c.p >= cut; });
    std::sort(candidates_.begin(), end,
              [](const Candidate& a, const Candidate& b) { return a.p != b.p ? a.p > b.p : a.id < b.id; });
    double sum = 0;
    for (auto it = candidates_.begin(); it != end; ++it) {
      sum += it->p;
      if (sum < wanted) continue;
      candidates_.erase(it + 1, candidates_.end());
      std::sort(candidates_.begin(), candidates_.end(), by_id);
      return;
    }
    if (end == candidates_.end()) break;  // only rounding kept the sum below the total
  }
  std::sort(candidates_.begin(), candidates_.end(), by_id);
}

std::int32_t Sampler::choose(std::span<const float> logits, std::uint64_t step) {
  const std::int32_t best = greedy(logits);
  if (options_.temperature <= 0 || best < 0) return best;
  find_nucleus(logits, logits[static_cast<std::size_t>(best)]);
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
