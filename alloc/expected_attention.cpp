// Expected attention (Devoto et al. 2025, arXiv 2510.00636; github.com/NVIDIA/kvpress at 8bb29b9,
// ExpectedAttentionPress): what queries to come would pay, taken as Gaussian with the statistics of past ones.
//
// Per query head, over the past queries without the first `sinks` of them, before rotation:
//   mu, Sigma  mean and covariance (divided by their number)
//   R          mean of the rotations by positions p .. p + future - 1
//   logit_j  = (R mu) . k_j / sqrt(d) + k_j^T (R Sigma R^T) k_j / (2 d)      over all slots behind the first `sinks`
//   P_j      = softmax, then the mean over the group
//   score_j  = (P_j + epsilon) |v_j|;  the first `sinks` slots get the maximum + 1
// Past queries are those of the whole prompt at the cut after prefill and the newest `queries` later on (kvpress's
// hidden-state buffer). The trace holds rotated queries; they are turned back with the model's own frequencies, which
// also serves models that normalise queries (kvpress refuses those).
// base=position rotates to the positions that really follow. kvpress counts from the number of hidden states it was
// given, which during decoding is its buffer's length and not a position: base=buffer.
#include <algorithm>
#include <cmath>
#include <vector>

#include "alloc/components.h"
#include "alloc/parameter.h"
#include "alloc/press_parameters.h"
#include "alloc/refresh_parameters.h"
#include "alloc/vector_norm.h"

namespace kvwave::alloc {
namespace {

// A rotation of each pair of channels, or a mean of such.
class PairTurn {
 public:
  PairTurn(std::size_t n_pairs, bool interleaved) : cos_(n_pairs, 0.0), sin_(n_pairs, 0.0), interleaved_(interleaved) {}

  void add(const Rope& rope, double position, double weight) {
    for (std::size_t i = 0; i < cos_.size(); ++i) {
      cos_[i] += weight * std::cos(position * rope.frequency[i]);
      sin_[i] += weight * std::sin(position * rope.frequency[i]);
    }
  }

  /// vector[channel * stride] for each channel.
  void apply(double* vector, std::size_t stride = 1) const {
    const std::size_t n = cos_.size();
    for (std::size_t i = 0; i < n; ++i) {
      double& x = vector[(interleaved_ ? 2 * i : i) * stride];
      double& y = vector[(interleaved_ ? 2 * i + 1 : i + n) * stride];
      const double turned = cos_[i] * x - sin_[i] * y;
      y = sin_[i] * x + cos_[i] * y;
      x = turned;
    }
  }

 private:
  std::vector<double> cos_, sin_;
  bool interleaved_;
};

// Mean and covariance of one query head's queries to come.
struct QueryOutlook {
  std::vector<double> mean, covariance;  // [d], [d, d]
};

class ExpectedAttention final : public Scorer {
 public:
  explicit ExpectedAttention(const Component& component)
      : rule_(press_rule(component)),
        future_(component.integer("future")),
        sinks_(static_cast<std::size_t>(component.integer("sinks"))),
        queries_(static_cast<std::size_t>(component.integer("queries"))),
        epsilon_(component.real("epsilon")),
        covariance_(component.word("covariance") == "on"),
        value_norm_(component.word("vnorm") == "on"),
        from_buffer_(component.word("base") == "buffer") {}

  RefreshRule rule() const override { return rule_; }

  Needs needs() const override {
    Needs needs;
    needs.queries = needs.keys = needs.rope = true;
    needs.values = value_norm_;
    return needs;
  }

  void score(const Residents& residents, std::span<float> score) const override {
    const std::size_t n = residents.position.size();
    if (n <= sinks_) {
      std::fill(score.begin(), score.end(), 1.0F);
      return;
    }
    const std::size_t d = residents.keys.width(), group = residents.queries.width() / d;
    std::vector<double> expected(n, 0.0);
    for (std::size_t g = 0; g < group; ++g) add_head(residents, outlook(residents, g * d), group, expected);
    double top = 0;
    for (std::size_t j = sinks_; j < n; ++j) {
      if (value_norm_) expected[j] = (expected[j] + epsilon_) * vector_norm(residents.values[residents.position[j]]);
      top = std::max(top, expected[j]);
    }
    for (std::size_t j = 0; j < score.size(); ++j) {
      score[j] = static_cast<float>(j < sinks_ ? top + 1.0 : expected[j]);
    }
  }

 private:
  QueryOutlook outlook(const Residents& residents, std::size_t first_channel) const {
    const std::size_t d = residents.keys.width(), n_seen = std::size_t{residents.now} + 1;
    const std::size_t given = residents.refresh == 0 ? n_seen : std::min(queries_, n_seen);
    const std::size_t used = given - std::min(sinks_, given - 1);
    std::vector<double> past(used * d);
    QueryOutlook outlook{std::vector<double>(d, 0.0), std::vector<double>(covariance_ ? d * d : 0, 0.0)};
    for (std::size_t i = 0; i < used; ++i) {
      const std::size_t position = n_seen - used + i;
      const std::span<const float> query = residents.queries[position].subspan(first_channel, d);
      std::copy(query.begin(), query.end(), past.begin() + static_cast<std::ptrdiff_t>(i * d));
      PairTurn back(d / 2, residents.rope.interleaved);
      back.add(residents.rope, -static_cast<double>(position), 1.0);
      back.apply(past.data() + i * d);
      for (std::size_t c = 0; c < d; ++c) outlook.mean[c] += past[i * d + c] / static_cast<double>(used);
    }
    if (covariance_) add_covariance(past, outlook);
    PairTurn ahead(d / 2, residents.rope.interleaved);
    const std::size_t start = from_buffer_ ? given : n_seen;
    for (int t = 0; t < future_; ++t) {
      ahead.add(residents.rope, static_cast<double>(start) + t, 1.0 / static_cast<double>(future_));
    }
    ahead.apply(outlook.mean.data());
    for (std::size_t c = 0; c < d && covariance_; ++c) ahead.apply(outlook.covariance.data() + c, d);
    for (std::size_t c = 0; c < d && covariance_; ++c) ahead.apply(outlook.covariance.data() + c * d);
    return outlook;
  }

  static void add_covariance(std::span<const double> past, QueryOutlook& outlook) {
    const std::size_t d = outlook.mean.size();
    std::vector<double> centred(d);
    for (std::size_t start = 0; start < past.size(); start += d) {
      for (std::size_t c = 0; c < d; ++c) centred[c] = past[start + c] - outlook.mean[c];
      for (std::size_t a = 0; a < d; ++a) {
        for (std::size_t b = 0; b < d; ++b) outlook.covariance[a * d + b] += centred[a] * centred[b];
      }
    }
    for (double& entry : outlook.covariance) entry /= static_cast<double>(past.size() / d);
  }

  void add_head(const Residents& residents, const QueryOutlook& outlook, std::size_t group,
                std::span<double> expected) const {
    const std::size_t d = outlook.mean.size(), n = expected.size();
    const auto width = static_cast<double>(d);
    std::vector<double> logit(n, 0.0);
    for (std::size_t j = sinks_; j < n; ++j) {
      const std::span<const float> key = residents.keys[residents.position[j]];
      double linear = 0, square = 0;
      for (std::size_t a = 0; a < d; ++a) {
        linear += outlook.mean[a] * key[a];
        if (!covariance_) continue;
        double row = 0;
        for (std::size_t b = 0; b < d; ++b) row += outlook.covariance[a * d + b] * key[b];
        square += row * key[a];
      }
      logit[j] = linear / std::sqrt(width) + square / (2 * width);
    }
    const double top = *std::max_element(logit.begin() + static_cast<std::ptrdiff_t>(sinks_), logit.end());
    double sum = 0;
    for (std::size_t j = sinks_; j < n; ++j) sum += logit[j] = std::exp(logit[j] - top);
    for (std::size_t j = sinks_; j < n; ++j) expected[j] += logit[j] / sum / static_cast<double>(group);
  }

  RefreshRule rule_;
  int future_;
  std::size_t sinks_, queries_;
  double epsilon_;
  bool covariance_, value_norm_, from_buffer_;
};

}  // namespace

ScorerEntry expected_attention_entry() {
  return {{.name = "expected-attention",
           .summary = "what Gaussian queries to come would pay, times the norm of the value",
           .source = "Expected Attention, arXiv 2510.00636; github.com/NVIDIA/kvpress 8bb29b9",
           .parameters = joined(
               {integer_parameter("future", "512", 1, 100'000, "positions ahead that the rotation is averaged over"),
                integer_parameter("sinks", "4", 0, 4096, "first slots always best; as many queries left out"),
                integer_parameter("queries", "256", 1, 1'000'000, "newest queries that count during decoding"),
                word_parameter("covariance", {"on", "off"}, "second moment of the queries"),
                word_parameter("vnorm", {"on", "off"}, "weigh by the norm of the value"),
                real_parameter("epsilon", "0", 0, 1, "added to a probability before its value's norm"),
                word_parameter("base", {"position", "buffer"}, "rotate to positions ahead, or as kvpress decodes")},
               press_parameters("512"))},
          [](const Component& component) -> std::unique_ptr<Scorer> {
            return std::make_unique<ExpectedAttention>(component);
          }};
}

}  // namespace kvwave::alloc
