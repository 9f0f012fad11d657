#include "capture/tokenizer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <system_error>
#include <unordered_set>

#include <fmt/format.h>

#include "capture/bpe.h"
#include "capture/byte_alphabet.h"
#include "capture/byte_level_encoder.h"
#include "capture/error.h"
#include "capture/normalise.h"
#include "capture/plain_text_encoder.h"
#include "capture/printable.h"
#include "capture/sentencepiece_encoder.h"
#include "capture/special_tokens.h"
#include "capture/utf8.h"

namespace kvwave::capture {
namespace {

std::int32_t type_of(const TokenizerData& data, std::size_t id) {
  return data.types.empty() ? token_type::kNormal : data.types[id];
}

bool is_literal(std::int32_t type) {
  return type == token_type::kUnknown || type == token_type::kControl || type == token_type::kUserDefined;
}

// The pieces that merging may give. Literal ones only ever come from the text as a whole, unused and byte ones never.
PieceIds index_pieces(const TokenizerData& data) {
  PieceIds ids;
  ids.reserve(data.pieces.size());
  for (std::size_t id = 0; id < data.pieces.size(); ++id) {
    if (type_of(data, id) == token_type::kUnused) continue;
    if (!ids.emplace(data.pieces[id], static_cast<std::int32_t>(id)).second) {
      throw BadModelFile(fmt::format("piece {} appears twice in the vocabulary", printable(data.pieces[id])));
    }
  }
  std::erase_if(ids, [&data](const auto& piece) {
    const std::int32_t type = type_of(data, static_cast<std::size_t>(piece.second));
    return is_literal(type) || type == token_type::kByte;
  });
  return ids;
}

// A byte token is written <0x0A>; -1 for anything else.
int byte_of(std::string_view piece) {
  unsigned byte = 0;
  if (piece.size() != 6 || !piece.starts_with("<0x") || piece[5] != '>') return -1;
  const auto [end, error] = std::from_chars(piece.data() + 3, piece.data() + 5, byte, 16);
  return error == std::errc() && end == piece.data() + 5 ? static_cast<int>(byte) : -1;
}

std::unique_ptr<PlainTextEncoder> make_encoder(const TokenizerData& data) {
  if (data.kind == "gpt2") {
    return std::make_unique<ByteLevelEncoder>(data.pre, index_pieces(data), data.merges, data.whole_words_first);
  }
  if (data.kind == "llama") {
    if (data.scores.size() != data.pieces.size()) {
      throw BadModelFile(fmt::format("{} scores for {} pieces", data.scores.size(), data.pieces.size()));
    }
    std::array<std::int32_t, 256> byte_ids;
    byte_ids.fill(-1);
    for (std::size_t id = 0; id < data.pieces.size(); ++id) {
      const int byte = type_of(data, id) == token_type::kByte ? byte_of(data.pieces[id]) : -1;
      if (byte >= 0) byte_ids[static_cast<std::size_t>(byte)] = static_cast<std::int32_t>(id);
    }
    return std::make_unique<SentencePieceEncoder>(index_pieces(data), data.scores, byte_ids, data.add_space_prefix);
  }
  if (data.kind.empty()) throw UnsupportedModel("the model has no tokenizer that kvwave could read");
  throw UnsupportedModel(
      fmt::format("tokenizer {} is not known; known are gpt2 (byte-level BPE) and llama "
                  "(SentencePiece BPE)",
                  printable(data.kind)));
}

// The bytes that a piece stands for.
std::string piece_bytes(const TokenizerData& data, std::size_t id) {
  constexpr std::string_view kSpace = "\xe2\x96\x81";  // U+2581
  const std::string& piece = data.pieces[id];
  const std::int32_t type = type_of(data, id);
  if (is_literal(type)) return piece;
  if (data.kind == "gpt2") return from_alphabet(piece);
  if (const int byte = byte_of(piece); type == token_type::kByte && byte >= 0)
    return std::string(1, static_cast<char>(byte));
  std::string text = piece;
  for (std::size_t at = 0; (at = text.find(kSpace, at)) != std::string::npos; ++at)
    text.replace(at, kSpace.size(), 1, ' ');
  return text;
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
  explicit Impl(const TokenizerData& data) : encoder(make_encoder(data)), nfc(data.nfc) {
    const std::unordered_set<std::int32_t> after_normalising(data.normalised_tokens.begin(),
                                                             data.normalised_tokens.end());
    bytes.reserve(data.pieces.size());
    for (std::size_t i = 0; i < data.pieces.size(); ++i) {
      const auto id = static_cast<std::int32_t>(i);
      const std::int32_t type = type_of(data, i);
      const std::string& piece = data.pieces[i];
      bytes.push_back(piece_bytes(data, i));
      control.push_back(type == token_type::kControl || type == token_type::kUnknown);
      if (is_literal(type)) {
        SpecialTokens& tokens = after_normalising.contains(id) ? normalised_tokens : special_tokens;
        tokens.add(after_normalising.contains(id) ? to_nfc(piece) : piece, id, type == token_type::kUserDefined);
      }
      const bool stated = std::find(data.end_ids.begin(), data.end_ids.end(), id) != data.end_ids.end();
      if (stated || id == data.eos || id == data.eot || (type == token_type::kControl && ends_by_name(piece)))
        ends.push_back(id);
    }
    looks_twice = !after_normalising.empty();
    bos = data.add_bos ? data.bos : -1;
  }

  // Special tokens, and what lies between them as `use` turns it into ids.
  template <typename Use>
  static void cut(const SpecialTokens& tokens, std::string_view text, bool special, bool& after_special,
                  std::vector<std::int32_t>& out, const Use& use) {
    for (std::size_t done = 0; done < text.size();) {
      const SpecialTokens::Match match = tokens.find(text, done, special);
      if (match.begin > done) {
        use(text.substr(done, match.begin - done));
        after_special = false;
      }
      if (match.id >= 0) {
        out.push_back(match.id);
        after_special = true;
      }
      done = match.begin + match.length;
    }
  }

  std::string normalised(std::string_view text) const {
    std::string out;
    while (!text.empty()) {
      const std::size_t valid = valid_utf8_prefix(text);
      out += to_nfc(text.substr(0, valid));
      text.remove_prefix(valid);
      const std::size_t invalid = invalid_utf8_prefix(text);
      out += text.substr(0, invalid);
      text.remove_prefix(invalid);
    }
    return out;
  }

  std::vector<std::int32_t> encode(std::string_view text, bool special, bool add_bos) const {
    std::vector<std::int32_t> out;
    if (add_bos && bos >= 0) out.push_back(bos);
    bool after_special = true;
    const auto encode_plain = [&](std::string_view plain) { encoder->encode(plain, after_special, out); };
    cut(special_tokens, text, special, after_special, out, [&](std::string_view plain) {
      if (!nfc) return encode_plain(plain);
      const std::string normal = normalised(plain);
      if (!looks_twice) return encode_plain(normal);
      cut(normalised_tokens, normal, special, after_special, out, encode_plain);
    });
    return out;
  }

  std::unique_ptr<PlainTextEncoder> encoder;
  bool nfc;
  SpecialTokens special_tokens, normalised_tokens;
  bool looks_twice = false;
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
  return impl_->encode(text, special, add_bos);
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
