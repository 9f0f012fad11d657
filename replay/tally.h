// Keeps count of one kind of comparison and remembers the worst.
#pragma once

#include <compare>
#include <cstdint>

namespace kvwave::replay {

/// Where in a trace a value stands.
struct Place {
  std::uint32_t position = 0, layer = 0, q_head = 0;
  auto operator<=>(const Place&) const = default;
};

/// Differences with what is allowed at each place. The worst is the largest difference / allowed, the first place of
/// equals, so that merging the tallies of several threads in any order gives the same result.
class Tally {
 public:
  void add(double difference, double allowed, Place place) {
    ++compared_;
    // The negated form counts NaN as outside.
    const bool outside = !(difference <= allowed);
    outside_ += outside ? 1 : 0;
    const double severity = allowed > 0 ? difference / allowed : outside ? kInfinite : 0.0;
    consider(severity == severity ? severity : kInfinite, difference, allowed, place);
  }

  void merge(const Tally& other) {
    if (other.compared_ == 0) return;
    consider(other.severity_, other.difference_, other.allowed_, other.place_);
    compared_ += other.compared_;
    outside_ += other.outside_;
  }

  std::uint64_t compared() const { return compared_; }
  std::uint64_t outside() const { return outside_; }  ///< comparisons beyond what is allowed
  double difference() const { return difference_; }   ///< of the worst
  double allowed() const { return allowed_; }         ///< there
  Place place() const { return place_; }

 private:
  static constexpr double kInfinite = 1e300;

  void consider(double severity, double difference, double allowed, Place place) {
    if (severity < severity_ || (severity == severity_ && !(place < place_))) return;
    severity_ = severity;
    difference_ = difference;
    allowed_ = allowed;
    place_ = place;
  }

  std::uint64_t compared_ = 0, outside_ = 0;
  double severity_ = -1, difference_ = 0, allowed_ = 0;
  Place place_;
};

}  // namespace kvwave::replay
