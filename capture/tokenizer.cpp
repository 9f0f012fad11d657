#include "capture/tokenizer.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "capture/bpe.h"
#include "capture/byte_alphabet.h"
#include "capture/error.h"
#include "capture/pre_tokenizer.h"
#include "capture/printable.h"
#include "capture/special_tokens.h"
#include "capture/utf8.h"

namespace kvwave::capture {
namespace {

// Token types as files number them.
constexpr std::int32_t kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4;

std::int32_t type_of(const TokenizerData& data, std::size_t id) {
  return data.types.empty() ? kNormal : data.types[id];
}

bool is_literal(std::int32_t type) {
  return type == kUnknown || type == kControl || type == kUserDefined;
}

const TokenizerData& require_byte_level(const TokenizerData& data) {
  if (data.kind == "gpt2") return data;
  if (data.kind.empty()) throw UnsupportedModel("the model file has no tokenizer (tokenizer.ggml.model)");
  throw UnsupportedModel(
      fmt::format("tokenizer {} is not known; known is gpt2 (byte-level BPE)", printable(data.kind)));
}

// The pieces that merging may give: those in the byte alphabet. Literal ones only ever come from the text as a whole.
PieceIds index_pieces(const TokenizerData& data) {
  PieceIds ids;
  ids.reserve(data.pieces.size());
  for (std::size_t id = 0; id < data.pieces.size(); ++id) {
    if (!ids.emplace(data.pieces[id], static_cast<std::int32_t>(id)).second) {
      throw BadModelFile(fmt::format("piece {} appears twice in the vocabulary", printable(data.pieces[id])));
    }
  }
  std::erase_if(
      ids, [&data](const auto& piece) { return is_literal(type_of(data, static_cast<std::size_t>(piece.second))); });
  return ids;
}

// Control tokens that end a turn or a text in the known model families; files often state only one of several.
bool ends_by_name(std::string_view piece) {
  constexpr std::array<std::string_view, 7> kNames = {"<|im_end|>",
                                                      "<|endoftext|>",
                                                      "<|eot_id|>",
                                                      "<|end_of_text|>",
                                                      "<|eom_id|>",
                                                      "<|end|>",
                                                      "<\xef\xbd\x9c"
                                                      "end\xe2\x96\x81of\xe2\x96\x81sentence\xef\xbd\x9c>"};
  return std::find(kNames.begin(), kNames.end(), piece) != kNames.end();
}

}  // namespace

class Tokenizer::Impl {
 public:
  explicit Impl(const TokenizerData& data)
      : pre(require_byte_level(data).pre), ids(index_pieces(data)), bpe(ids, data.merges) {
    bytes.reserve(data.pieces.size());
    for (std::size_t i = 0; i < data.pieces.size(); ++i) {
      const auto id = static_cast<std::int32_t>(i);
      const std::int32_t type = type_of(data, i);
      const std::string& piece = data.pieces[i];
      bytes.push_back(is_literal(type) ? piece : from_alphabet(piece));
      control.push_back(type == kControl || type == kUnknown);
      if (is_literal(type)) special_tokens.add(piece, id, type == kUserDefined);
      if (id == data.eos || id == data.eot || (type == kControl && ends_by_name(piece))) ends.push_back(id);
    }
    bos = data.add_bos ? data.bos : -1;
  }

  void encode_plain(std::string_view text, std::vector<std::int32_t>& out) const {
    while (!text.empty()) {
      const std::size_t valid = valid_utf8_prefix(text);
      for (const std::string_view word : pre.split(text.substr(0, valid))) encode_word(word, out);
      text.remove_prefix(valid);
      std::size_t invalid = 0;
      while (invalid < text.size() && utf8_front(text.substr(invalid)).state != Utf8State::complete) ++invalid;
      bpe.encode(text.substr(0, invalid), out);
      text.remove_prefix(invalid);
    }
  }

  void encode_word(std::string_view word, std::vector<std::int32_t>& out) const {
    if (pre.whole_pieces_first()) {
      const auto found = ids.find(to_alphabet(word));
      if (found != ids.end()) return out.push_back(found->second);
    }
    bpe.encode(word, out);
  }

  PreTokenizer pre;
  PieceIds ids;
  Bpe bpe;
  SpecialTokens special_tokens;
  std::vector<std::string> bytes;  // by id
  std::vector<bool> control;       // by id
  std::vector<std::int32_t> ends;
  std::int32_t bos = -1;  // -1: the file does not ask for it
};

Tokenizer::Tokenizer(const TokenizerData& data) {
  try {
    impl_ = std::make_unique<Impl>(data);
  } catch (const UnsupportedModel& error) {
    throw UnsupportedModel(fmt::format("{}: {}", data.source, error.what()));
  } catch (const BadModelFile& error) {
    throw BadModelFile(fmt::format("{}: {}", data.source, error.what()));
  }
}
Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;

std::vector<std::int32_t> Tokenizer::encode(std::string_view text, bool special, bool add_bos) const {
  std::vector<std::int32_t> out;
  if (add_bos && impl_->bos >= 0) out.push_back(impl_->bos);
  for (std::size_t done = 0; done < text.size();) {
    const SpecialTokens::Match match = impl_->special_tokens.find(text, done, special);
    impl_->encode_plain(text.substr(done, match.begin - done), out);
    if (match.id >= 0) out.push_back(match.id);
    done = match.begin + match.length;
  }
  return out;
}

const std::string& Tokenizer::bytes(std::int32_t id) const {
  return impl_->bytes.at(static_cast<std::size_t>(id));
}

std::string Tokenizer::decode(std::span<const std::int32_t> ids) const {
  std::string text;
  for (const std::int32_t id : ids) text += bytes(id);
  return text;
}

bool Tokenizer::is_end(std::int32_t id) const {
  return std::find(impl_->ends.begin(), impl_->ends.end(), id) != impl_->ends.end();
}
bool Tokenizer::is_control(std::int32_t id) const {
  return impl_->control.at(static_cast<std::size_t>(id));
}
std::span<const std::int32_t> Tokenizer::end_ids() const {
  return impl_->ends;
}
std::uint32_t Tokenizer::vocab_size() const {
  return static_cast<std::uint32_t>(impl_->bytes.size());
}

}  // namespace kvwave::capture
