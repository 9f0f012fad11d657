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
  std::uint32_t top_k = 0;        ///< sample from so many of the likeliest tokens; 0 = all
  double min_p = 0;               ///< in [0, 1]: only tokens with at least this share of the likeliest one's
  double repetition_penalty = 1;  ///< above 0: logits of seen tokens are divided by it, negative ones multiplied
                                  ///< (Keskar et al. 2019); 1 = off
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

  /// Counts as seen from now on, for the repetition penalty: the prompt's tokens and each generated one.
  void observe(std::int32_t id);

  /// Logits are finite and not empty. First the repetition penalty, also when greedy. With a temperature: p is
  /// proportional to exp(logit / temperature); then top_k, top_p over what is left, and min_p, as transformers orders
  /// them; of equals the lower ids are kept. The token is found by walking those left in ascending id until their
  /// cumulative share exceeds uniform_at(seed, step).
  std::int32_t choose(std::span<const float> logits, std::uint64_t step);

 private:
  struct Candidate {
    std::int32_t id;
    double p;
  };
  std::int32_t greedy(std::span<const float> logits) const;
  void find_candidates(std::span<const float> logits, float top_logit);
  void cut_candidates();
  std::span<const float> with_penalty(std::span<const float> logits);
  static bool likelier(const Candidate& a, const Candidate& b);
  void collect_above(float cut);
  bool cut_to_nucleus(double wanted);  ///< false when the candidates do not hold that much
  bool banned(std::int32_t id) const;

  SamplingOptions options_;
  std::vector<std::int32_t> banned_;  // ascending
  std::vector<std::int32_t> seen_;    // ascending
  std::vector<float> penalised_;      // [vocab]
  std::vector<float> share_;          // [vocab] probability relative to the largest
  std::vector<Candidate> candidates_;
};

}  // namespace kvwave::capture
