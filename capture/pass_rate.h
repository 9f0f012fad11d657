// The share of right answers as papers on reasoning report it.
#pragma once

#include <cstddef>
#include <map>
#include <string>

namespace kvwave::capture {

/// pass@1: for each problem the share of its outputs that are right, then the mean over problems with equal weight. Its
/// 95 % interval is Wilson's (1927) over problems, which stays inside [0, 1] for few problems too. With one output each
/// that is the usual interval of a share; with several it is on the safe side, because a problem's share varies at most
/// as much as a single answer does. Nothing is drawn at random, so there is no seed.
class PassRate {
 public:
  void add(const std::string& problem, bool is_right);

  std::size_t n_right() const { return n_right_; }      ///< outputs
  std::size_t n_outputs() const { return n_outputs_; }  ///< whose answer was checked
  std::size_t n_problems() const { return problems_.size(); }
  double share() const;  ///< pass@1; 0 without problems
  double low() const;
  double high() const;

 private:
  struct Count {
    std::size_t right = 0, total = 0;
  };
  std::map<std::string, Count> problems_;
  std::size_t n_right_ = 0, n_outputs_ = 0;
};

/// E.g. "7 of 10 answers right: pass@1 0.700 over 10 problems (95 % Wilson interval over problems 0.397 to 0.892)".
std::string accuracy_line(const PassRate& rate);
/// The same as a JSON object: right, total, problems, share, low, high, interval.
std::string accuracy_json(const PassRate& rate);

}  // namespace kvwave::capture
