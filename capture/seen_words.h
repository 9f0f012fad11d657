// Words of one text whose ids are already there: text repeats its words, and merging them anew is most of the work.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace kvwave::capture {

class SeenWords {
 public:
  /// `out` is only appended to while this lives, and so is the text that words are parts of.
  explicit SeenWords(std::vector<std::int32_t>& out) : out_(out) {}

  /// Appends the ids of `word`: those of its first time, or what `encode` appends.
  template <typename Encode>
  void append(std::string_view word, const Encode& encode) {
    if (word.size() > kLongest) return encode(word);
    if (const auto found = words_.find(word); found != words_.end()) {
      for (std::size_t i = 0; i < found->second.count; ++i) out_.push_back(out_[found->second.first + i]);
      return;
    }
    const std::size_t first = out_.size();
    encode(word);
    if (words_.size() < kMost) words_.emplace(word, Ids{first, out_.size() - first});
  }

 private:
  static constexpr std::size_t kLongest = 64;  // bytes; longer ones seldom come back
  static constexpr std::size_t kMost = std::size_t{1} << 18;

  struct Ids {
    std::size_t first = 0, count = 0;  // in out_
  };
  std::vector<std::int32_t>& out_;
  std::unordered_map<std::string_view, Ids> words_;
};

}  // namespace kvwave::capture
