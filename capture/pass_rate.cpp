#include "capture/pass_rate.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace kvwave::capture {
namespace {

// The ends of the Wilson interval at 95 %: side -1 the lower, 1 the upper.
double wilson(double share, std::size_t n_problems, double side) {
  constexpr double kZ = 1.959963984540054;
  if (n_problems == 0) return side < 0 ? 0.0 : 1.0;
  const auto n = static_cast<double>(n_problems);
  const double z2 = kZ * kZ;
  const double spread = kZ * std::sqrt(share * (1 - share) / n + z2 / (4 * n * n));
  return std::clamp((share + z2 / (2 * n) + side * spread) / (1 + z2 / n), 0.0, 1.0);
}

}  // namespace

void PassRate::add(const std::string& problem, bool is_right) {
  Count& count = problems_[problem];
  ++count.total;
  ++n_outputs_;
  if (!is_right) return;
  ++count.right;
  ++n_right_;
}

double PassRate::share() const {
  if (problems_.empty()) return 0;
  double sum = 0;
  for (const auto& [name, count] : problems_) {
    sum += static_cast<double>(count.right) / static_cast<double>(count.total);
  }
  return std::min(1.0, sum / static_cast<double>(problems_.size()));
}

double PassRate::low() const {
  return wilson(share(), n_problems(), -1);
}
double PassRate::high() const {
  return wilson(share(), n_problems(), 1);
}

std::string accuracy_line(const PassRate& rate) {
  return fmt::format(
      "{} of {} answers right: pass@1 {:.3f} over {} problem{} (95 % Wilson interval over problems {:.3f} to {:.3f})",
      rate.n_right(), rate.n_outputs(), rate.share(), rate.n_problems(), rate.n_problems() == 1 ? "" : "s", rate.low(),
      rate.high());
}

std::string accuracy_json(const PassRate& rate) {
  nlohmann::ordered_json json;
  json["right"] = rate.n_right();
  json["total"] = rate.n_outputs();
  json["problems"] = rate.n_problems();
  json["share"] = rate.share();
  json["low"] = rate.low();
  json["high"] = rate.high();
  json["interval"] = "Wilson over problems, 95 %";
  return json.dump();
}

}  // namespace kvwave::capture
