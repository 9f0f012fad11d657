#include "alloc/robust_operator.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace kvwave::alloc {
namespace {

double sum_of(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

std::vector<double> smooth(std::span<const double> demand, double exponent) {
  std::vector<double> smoothed;
  // pow(0, 0) is 1: with exponent 0 all demands count the same.
  for (const double d : demand) smoothed.push_back(std::pow(std::max(d, 0.0), exponent));
  if (!(sum_of(smoothed) > 0)) std::fill(smoothed.begin(), smoothed.end(), 1.0);
  return smoothed;
}

RobustShares clip_then_scale(std::span<const double> demand, double exponent, double low, double high, double total) {
  const auto n = static_cast<double>(demand.size());
  RobustShares result;
  std::vector<double> clipped;
  double mean = 0;
  for (const double d : demand) mean += std::max(d, 0.0) / n;
  for (const double d : demand) {
    result.below += d < low * n / total * mean ? 1 : 0;
    result.above += d > high * n / total * mean ? 1 : 0;
    clipped.push_back(std::clamp(d, low * n / total * mean, high * n / total * mean));
  }
  result.share = smooth(clipped, exponent);
  const double sum = sum_of(result.share);
  for (double& share : result.share) share *= total / sum;
  return result;
}

}  // namespace

std::vector<double> water_fill(std::span<const double> weight, double low, std::span<const double> high, double total) {
  const std::size_t n = weight.size();
  std::vector<double> filled(n);
  const auto fill = [&](double k) {
    for (std::size_t i = 0; i < n; ++i) filled[i] = std::clamp(k * weight[i], low, high[i]);
    return sum_of(filled);
  };
  // The sum is piecewise linear in k and bends where an item meets one of its bounds.
  std::vector<double> bend = {0.0};
  for (std::size_t i = 0; i < n; ++i) {
    if (weight[i] <= 0) continue;
    bend.push_back(low / weight[i]);
    bend.push_back(high[i] / weight[i]);
  }
  std::sort(bend.begin(), bend.end());
  const auto reaches = std::partition_point(bend.begin(), bend.end(), [&](double k) { return fill(k) < total; });
  if (reaches == bend.begin()) {
    fill(0.0);
    return filled;
  }
  const double before = *(reaches - 1);
  const double sum_before = fill(before);
  if (reaches != bend.end()) {
    const double after = *reaches;
    const double sum_after = fill(after);
    fill(before + (after - before) * (total - sum_before) / (sum_after - sum_before));
    return filled;
  }
  // Every weighted item is full: the rest goes to the items of weight 0, level by level where their bounds differ.
  std::vector<std::size_t> open;
  for (std::size_t i = 0; i < n; ++i) {
    if (weight[i] <= 0) open.push_back(i);
  }
  std::stable_sort(open.begin(), open.end(), [&](std::size_t a, std::size_t b) { return high[a] < high[b]; });
  double rest = total - sum_before;
  for (std::size_t i = 0; i < open.size(); ++i) {
    const double part = std::min(high[open[i]] - low, rest / static_cast<double>(open.size() - i));
    filled[open[i]] = low + part;
    rest -= part;
  }
  return filled;
}

RobustShares robust_shares(std::span<const double> demand, double exponent, double low, double high, double total,
                           OperatorForm form, ClipTarget clip) {
  if (clip == ClipTarget::demand) return clip_then_scale(demand, exponent, low, high, total);
  const std::size_t n = demand.size();
  std::vector<double> smoothed = smooth(demand, exponent);
  const double sum = sum_of(smoothed);

  RobustShares result;
  result.share.resize(n);
  for (std::size_t i = 0; i < n; ++i) {
    const double scaled = total * (smoothed[i] / sum);
    result.below += scaled < low ? 1 : 0;
    result.above += scaled > high ? 1 : 0;
    result.share[i] = std::clamp(scaled, low, high);
  }
  if (form == OperatorForm::waterfill) {
    result.share = water_fill(smoothed, low, std::vector<double>(n, high), total);
    return result;
  }
  const double clipped_sum = sum_of(result.share);
  for (double& share : result.share) share *= total / clipped_sum;
  return result;
}

}  // namespace kvwave::alloc
