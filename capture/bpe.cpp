#include "capture/bpe.h"

#include <cstddef>
#include <queue>
#include <utility>

#include <fmt/format.h>

#include "capture/byte_alphabet.h"
#include "capture/error.h"
#include "capture/printable.h"

namespace kvwave::capture {
namespace {

std::uint64_t pair_key(std::int32_t left, std::int32_t right) {
  return (static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32) | static_cast<std::uint32_t>(right);
}

std::int32_t require_piece(const PieceIds& ids, std::string_view piece, std::size_t rank) {
  const auto found = ids.find(piece);
  if (found == ids.end()) {
    throw BadModelFile(fmt::format("merge {} needs piece {}, which the vocabulary lacks", rank, printable(piece)));
  }
  return found->second;
}

constexpr std::uint32_t kNone = 0xffffffffU;

/// A piece of the word so far; neighbours by index. Merging keeps the left symbol and takes the right one out.
struct Symbol {
  std::int32_t id = 0;  // -1: taken out
  std::uint32_t previous = kNone, next = kNone;
};

/// A possible merge. It is void when either symbol has changed since.
struct Candidate {
  std::uint32_t rank = 0, left = 0, right = 0;
  std::int32_t left_id = 0, right_id = 0, result = 0;

  bool operator>(const Candidate& other) const { return std::pair(rank, left) > std::pair(other.rank, other.left); }
};

}  // namespace

Bpe::Bpe(const PieceIds& ids, const std::vector<std::string>& merges) {
  for (unsigned b = 0; b < 256; ++b) {
    const auto found = ids.find(byte_character(static_cast<std::uint8_t>(b)));
    byte_ids_[b] = found == ids.end() ? -1 : found->second;
  }
  merges_.reserve(merges.size());
  for (std::size_t rank = 0; rank < merges.size(); ++rank) {
    const std::string_view text = merges[rank];
    const std::size_t space = text.find(' ', 1);
    if (space == std::string_view::npos || space + 1 == text.size()) {
      throw BadModelFile(fmt::format("merge {} is {}, expected two pieces and a space between", rank, printable(text)));
    }
    const std::string left(text.substr(0, space));
    const std::string right(text.substr(space + 1));
    const Merge merge{static_cast<std::uint32_t>(rank), require_piece(ids, left + right, rank)};
    merges_.emplace(pair_key(require_piece(ids, left, rank), require_piece(ids, right, rank)), merge);
  }
}

const Bpe::Merge* Bpe::find(std::int32_t left, std::int32_t right) const {
  const auto found = merges_.find(pair_key(left, right));
  return found == merges_.end() ? nullptr : &found->second;
}

void Bpe::encode(std::string_view word, std::vector<std::int32_t>& out) const {
  std::vector<Symbol> symbols(word.size());
  for (std::size_t i = 0; i < word.size(); ++i) {
    const auto byte = static_cast<unsigned char>(word[i]);
    if (byte_ids_[byte] < 0) {
      throw BadPrompt(fmt::format("the model's vocabulary has no token for byte 0x{:02x}, which the text holds", byte));
    }
    const auto index = static_cast<std::uint32_t>(i);
    symbols[i] = {byte_ids_[byte], i == 0 ? kNone : index - 1, i + 1 == word.size() ? kNone : index + 1};
  }
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> candidates;
  const auto consider = [&](std::uint32_t left, std::uint32_t right) {
    if (left == kNone || right == kNone) return;
    const Merge* merge = find(symbols[left].id, symbols[right].id);
    if (merge != nullptr) {
      candidates.push({merge->rank, left, right, symbols[left].id, symbols[right].id, merge->result});
    }
  };
  for (std::uint32_t i = 1; i < symbols.size(); ++i) consider(i - 1, i);
  while (!candidates.empty()) {
    const Candidate c = candidates.top();
    candidates.pop();
    Symbol& left = symbols[c.left];
    Symbol& right = symbols[c.right];
    if (left.id != c.left_id || right.id != c.right_id || left.next != c.right) continue;
    left.id = c.result;
    left.next = right.next;
    right.id = -1;
    if (left.next != kNone) symbols[left.next].previous = c.left;
    consider(left.previous, c.left);
    consider(c.left, left.next);
  }
  for (const Symbol& symbol : symbols) {
    if (symbol.id >= 0) out.push_back(symbol.id);
  }
}

}  // namespace kvwave::capture
