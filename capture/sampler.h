// Chooses the next token from logits. Reproducible: the same logits, options and step always give the same token, and a
// step's random number does not depend on the steps before it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace kvwave::capture {

struct SamplingOptions {
  double temperature = 0;  ///< 0 = greedy: the largest logit, ties to the lower id
  double top_p = 1;        ///< in (0, 1]: sample from the smallest set of likeliest tokens that holds this share
  std::uint64_t seed = 0;
};

/// Uniform in [0, 1) with 53 bits, a pure function of both: the output function of SplitMix64 (Steele, Lea, Flood 2014)
/// applied to the seed's own hash plus (step + 1) times the golden-ratio constant.
double uniform_at(std::uint64_t seed, std::uint64_t step);

/// ln softmax(logits)[id]: the sum in fp64 over exponentials good to 2e-7, the largest logit taken out.
double log_probability(std::span<const float> logits, std::int32_t id);

class Sampler {
 public:
  /// `banned` ids are never chosen (their logit counts as -infinity).
  Sampler(const SamplingOptions& options, std::span<const std::int32_t> banned);

  /// Logits are finite and not empty. With a temperature: p is proportional to exp(logit / temperature); the nucleus is
  /// the smallest set of largest p (ties to the lower id) with at least top_p of the mass; the token is found by
  /// walking the nucleus in ascending id until its cumulative share exceeds uniform_at(seed, step).
  std::int32_t choose(std::span<const float> logits, std::uint64_t step);

 private:
  struct Candidate {
    std::int32_t id;
    double p;
  };
  std::int32_t greedy(std::span<const float> logits) const;
  void find_candidates(std::span<const float> logits, float top_logit);
  void collect_above(float cut);
  bool cut_to_nucleus(double wanted);  ///< false when the candidates do not hold that much
  bool banned(std::int32_t id) const;

  SamplingOptions options_;
  std::vector<std::int32_t> banned_;  // ascending
  std::vector<float> share_;          // [vocab] probability relative to the largest
  std::vector<Candidate> candidates_;
};

}  // namespace kvwave::capture
