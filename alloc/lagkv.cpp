// LagKV (Liang et al. 2025, arXiv 2504.04704; github.com/NVIDIA/kvpress at 8bb29b9, LagKVPress): keys and values that
// vary much relative to the chunk that follows them are kept.
//
// n slots: the first `sinks`, then chunks of `lag`; the last full chunk and the rest after it are the tail.
//   per channel c of chunk p:  x' = (x - min_c) / (max_c - min_c), both over chunk p + 1
//   s_j = softmax inside the chunk of the unbiased standard deviation of x'_j over channels, for keys and for values
//   score_j = (rank of (s_key + s_value) / 2 inside its chunk, ascending from 0) / lag;  cross=on: the mean itself
//   sinks and tail score 1
// With n < sinks + 2 lag nothing can be compared: sinks score 1, slot j scores (j - sinks) / (n - sinks), so that the
// newest stay. Equal values rank by slot. A channel that is constant in the next chunk (upstream divides by zero)
// counts as 0.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "alloc/components.h"
#include "alloc/parameter.h"
#include "alloc/press_parameters.h"
#include "alloc/refresh_parameters.h"

namespace kvwave::alloc {
namespace {

using Slots = std::span<const std::uint32_t>;

// Adds half of the softmax over `chunk` of each vector's deviation relative to `next`.
void add_chunk_score(const TensorRows& rows, Slots chunk, Slots next, std::span<double> score) {
  const std::size_t width = rows.width();
  std::vector<double> low(width), range(width);
  for (std::size_t c = 0; c < width; ++c) {
    double least = rows[next[0]][c], most = least;
    for (const std::uint32_t position : next) {
      least = std::min(least, double{rows[position][c]});
      most = std::max(most, double{rows[position][c]});
    }
    low[c] = least;
    range[c] = most - least;
  }
  std::vector<double> spread;
  for (const std::uint32_t position : chunk) {
    const auto scaled = [&](std::size_t c) { return range[c] > 0 ? (rows[position][c] - low[c]) / range[c] : 0.0; };
    double mean = 0, squares = 0;
    for (std::size_t c = 0; c < width; ++c) mean += scaled(c) / static_cast<double>(width);
    for (std::size_t c = 0; c < width; ++c) squares += (scaled(c) - mean) * (scaled(c) - mean);
    spread.push_back(width > 1 ? std::sqrt(squares / static_cast<double>(width - 1)) : 0.0);
  }
  const double top = *std::max_element(spread.begin(), spread.end());
  double sum = 0;
  for (double& s : spread) sum += s = std::exp(s - top);
  for (std::size_t j = 0; j < spread.size(); ++j) score[j] += spread[j] / sum / 2;
}

class LagKv final : public Scorer {
 public:
  explicit LagKv(const Component& component)
      : rule_(press_rule(component)),
        sinks_(static_cast<std::size_t>(component.integer("sinks"))),
        lag_(static_cast<std::size_t>(component.integer("lag"))),
        cross_(component.word("cross") == "on") {}

  RefreshRule rule() const override { return rule_; }

  Needs needs() const override {
    Needs needs;
    needs.keys = needs.values = true;
    return needs;
  }

  void score(const Residents& residents, std::span<float> score) const override {
    const Slots slots = residents.position;
    if (slots.size() < sinks_ + 2 * lag_) {
      for (std::size_t j = 0; j < score.size(); ++j) {
        const auto behind = static_cast<float>(slots.size() - std::min(sinks_, slots.size()));
        score[j] = j < sinks_ ? 1.0F : static_cast<float>(j - sinks_) / behind;
      }
      return;
    }
    std::fill(score.begin(), score.end(), 1.0F);
    const std::size_t n_chunks = (slots.size() - sinks_) / lag_;
    std::vector<double> chunk(lag_);
    for (std::size_t p = 0; p + 1 < n_chunks; ++p) {
      const std::size_t first = sinks_ + p * lag_;
      std::fill(chunk.begin(), chunk.end(), 0.0);
      for (const TensorRows* rows : {&residents.keys, &residents.values}) {
        add_chunk_score(*rows, slots.subspan(first, lag_), slots.subspan(first + lag_, lag_), chunk);
      }
      if (!cross_) rank(chunk);
      // A window of its own (none unless told) may reach into a chunk.
      for (std::size_t j = 0; j < lag_ && first + j < score.size(); ++j)
        score[first + j] = static_cast<float>(chunk[j]);
    }
  }

 private:
  void rank(std::vector<double>& chunk) const {
    std::vector<std::size_t> order(chunk.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return chunk[a] < chunk[b]; });
    for (std::size_t r = 0; r < order.size(); ++r) chunk[order[r]] = static_cast<double>(r) / static_cast<double>(lag_);
  }

  RefreshRule rule_;
  std::size_t sinks_, lag_;
  bool cross_;
};

}  // namespace

ScorerEntry lagkv_entry() {
  return {{.name = "lagkv",
           .summary = "keys and values that vary much against the chunk after them stay",
           .source = "LagKV, arXiv 2504.04704; github.com/NVIDIA/kvpress 8bb29b9",
           .parameters = joined({integer_parameter("sinks", "4", 0, 4096, "first slots, always best"),
                                 integer_parameter("lag", "128", 1, 100'000, "slots of a chunk"),
                                 word_parameter("cross", {"off", "on"}, "rank inside chunks, or compare their scores")},
                                press_parameters("512"))},
          [](const Component& component) -> std::unique_ptr<Scorer> { return std::make_unique<LagKv>(component); }};
}

}  // namespace kvwave::alloc
