#include "capture/sentencepiece_encoder.h"

#include <algorithm>
#include <cstddef>
#include <queue>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "capture/error.h"
#include "capture/seen_words.h"
#include "capture/utf8.h"

namespace kvwave::capture {
namespace {

constexpr std::string_view kSpace = "\xe2\x96\x81";  // U+2581
constexpr std::size_t kNoRun = static_cast<std::size_t>(-1);

// Where the second word begins: a space, or several, begins a word.
std::size_t next_word(std::string_view text) {
  std::size_t at = 0;
  while (text.substr(at).starts_with(kSpace)) at += kSpace.size();
  return std::min(text.find(kSpace, at), text.size());
}

std::string with_visible_spaces(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == ' ') {
      out += kSpace;
    } else {
      out += c;
    }
  }
  return out;
}

/// A run of the text; neighbours by index. Merging extends the left one and empties the right one.
struct Run {
  std::size_t begin = 0, length = 0;
  std::size_t previous = kNoRun, next = kNoRun;
  std::int32_t id = -1;  // of a merged run
};

/// A possible merge. It is void when either symbol has changed since, which its length shows.
struct MergedRun {
  float score = 0;
  std::int32_t id = -1;  // of what it gives
  std::size_t left = 0, right = 0, length = 0;

  bool operator<(const MergedRun& other) const {  // the top of a priority queue is the largest
    return score != other.score ? score < other.score : left > other.left;
  }
};

std::vector<Run> split_characters(std::string_view text) {
  std::vector<Run> symbols;
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Front front = utf8_front(text.substr(at));
    const std::size_t length = front.state == Utf8State::complete ? front.length : 1;
    symbols.push_back({at, length, symbols.empty() ? kNoRun : symbols.size() - 1, symbols.size() + 1, -1});
    at += length;
  }
  if (!symbols.empty()) symbols.back().next = kNoRun;
  return symbols;
}

}  // namespace

SentencePieceEncoder::SentencePieceEncoder(PieceIds ids, std::vector<float> scores,
                                           const std::array<std::int32_t, 256>& byte_ids, bool space_prefix)
    : ids_(std::move(ids)),
      scores_(std::move(scores)),
      byte_ids_(byte_ids),
      space_prefix_(space_prefix),
      words_are_apart_(std::none_of(ids_.begin(), ids_.end(),
                                    [](const auto& piece) { return next_word(piece.first) < piece.first.size(); })) {}

std::int32_t SentencePieceEncoder::find(std::string_view piece) const {
  const auto found = ids_.find(piece);
  return found == ids_.end() ? -1 : found->second;
}

void SentencePieceEncoder::encode(std::string_view plain, bool after_special, std::vector<std::int32_t>& out) const {
  if (plain.empty()) return;
  const std::string text =
      (space_prefix_ && after_special ? std::string(kSpace) : std::string()) + with_visible_spaces(plain);
  if (!words_are_apart_) return encode_word(text, out);
  SeenWords seen(out);
  const auto encode_new = [&](std::string_view word) { encode_word(word, out); };
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t end = next_word(rest);
    seen.append(rest.substr(0, end), encode_new);
    rest.remove_prefix(end);
  }
}

void SentencePieceEncoder::encode_word(std::string_view view, std::vector<std::int32_t>& out) const {
  std::vector<Run> symbols = split_characters(view);
  std::priority_queue<MergedRun> candidates;
  const auto consider = [&](std::size_t left, std::size_t right) {
    if (left == kNoRun || right == kNoRun) return;
    const std::size_t length = symbols[left].length + symbols[right].length;
    const std::int32_t id = find(view.substr(symbols[left].begin, length));
    if (id >= 0) candidates.push({scores_[static_cast<std::size_t>(id)], id, left, right, length});
  };
  for (std::size_t i = 1; i < symbols.size(); ++i) consider(i - 1, i);
  while (!candidates.empty()) {
    const MergedRun c = candidates.top();
    candidates.pop();
    Run& left = symbols[c.left];
    Run& right = symbols[c.right];
    if (left.length == 0 || right.length == 0 || left.length + right.length != c.length) continue;
    left.length = c.length;
    left.id = c.id;
    left.next = right.next;
    right.length = 0;
    if (left.next != kNoRun) symbols[left.next].previous = c.left;
    consider(left.previous, c.left);
    consider(c.left, left.next);
  }
  for (const Run& symbol : symbols) {
    if (symbol.length == 0) continue;  // part of another
    const std::string_view piece = view.substr(symbol.begin, symbol.length);
    if (const std::int32_t id = symbol.id >= 0 ? symbol.id : find(piece); id >= 0) {
      out.push_back(id);
      continue;
    }
    for (const char c : piece) {
      const std::int32_t id = byte_ids_[static_cast<unsigned char>(c)];
      if (id < 0) {
        throw BadPrompt(fmt::format("the model's vocabulary has no token for byte 0x{:02x}, which the text holds",
                                    static_cast<unsigned char>(c)));
      }
      out.push_back(id);
    }
  }
}

}  // namespace kvwave::capture
