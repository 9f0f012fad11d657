#include "capture/tokenizer_json.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "capture/error.h"
#include "capture/json_reader.h"
#include "capture/pre_tokenizer.h"
#include "capture/printable.h"

namespace kvwave::capture {
namespace {

using Json = nlohmann::json;

std::string type_of(const JsonObject& object) {
  return object.text("type").value_or("");
}

class Reader {
 public:
  Reader(const Json& json, const std::string& source, std::uint32_t vocab_size)
      : json_(json, source), source_(source), vocab_size_(vocab_size) {}

  TokenizerData run() {
    data_.source = source_;
    data_.kind = "gpt2";
    read_model();
    read_added_tokens();
    if (const auto normaliser = json_.object("normalizer")) read_normaliser(*normaliser);
    read_pre_tokenizer();
    if (const auto post_processor = json_.object("post_processor")) read_post_processor(*post_processor);
    if (!data_.nfc) data_.normalised_tokens.clear();
    return std::move(data_);
  }

 private:
  [[noreturn]] void bad(const std::string& what) const { throw BadModelFile(fmt::format("{}: {}", source_, what)); }
  [[noreturn]] void unsupported(const std::string& what) const {
    throw UnsupportedModel(fmt::format("{}: {}", source_, what));
  }

  std::uint32_t checked_id(const Json& id, std::string_view piece) const {
    if (!id.is_number_unsigned()) bad(fmt::format("piece {} has no whole number as id", printable(piece)));
    if (id.get<std::uint64_t>() >= vocab_size_) {
      throw VocabularyMismatch(fmt::format("{}: piece {} has id {}, but the model's embedding has {} rows", source_,
                                           printable(piece), id.get<std::uint64_t>(), vocab_size_));
    }
    return id.get<std::uint32_t>();
  }

  // Pieces of one id must be the same piece.
  void place(std::uint32_t id, const std::string& piece, std::int32_t type) {
    if (data_.types[id] != token_type::kUnused && data_.pieces[id] != piece) {
      bad(fmt::format("pieces {} and {} have the same id {}", printable(data_.pieces[id]), printable(piece), id));
    }
    data_.pieces[id] = piece;
    data_.types[id] = type;
  }

  void read_model() {
    const auto model = json_.object("model");
    if (!model) bad("field 'model' is missing");
    const std::string type = model->text("type").value_or("BPE");
    if (type != "BPE") unsupported(fmt::format("tokenizer model {}; known is BPE", printable(type)));
    if (model->boolean("byte_fallback").value_or(false)) {
      unsupported("SentencePiece in tokenizer.json (byte_fallback); kvwave reads such a tokenizer from GGUF");
    }
    if (model->find("dropout") != nullptr) unsupported("a tokenizer with dropout");
    for (const char* affix : {"continuing_subword_prefix", "end_of_word_suffix"}) {
      if (!model->text(affix).value_or("").empty()) unsupported(fmt::format("a tokenizer with {}", affix));
    }
    data_.whole_words_first = model->boolean("ignore_merges").value_or(false);
    const Json* vocab = model->find("vocab");
    if (vocab == nullptr || !vocab->is_object()) bad("field 'model.vocab' should be an object of pieces and ids");
    data_.pieces.resize(vocab_size_);
    data_.types.assign(vocab_size_, token_type::kUnused);
    for (const auto& [piece, id] : vocab->items()) place(checked_id(id, piece), piece, token_type::kNormal);
    const Json* merges = model->find("merges");
    if (merges == nullptr || !merges->is_array()) bad("field 'model.merges' should be an array");
    data_.merges.reserve(merges->size());
    for (const Json& merge : *merges) data_.merges.push_back(merge_text(merge));
  }

  // "left right" in older files, ["left", "right"] in newer ones.
  std::string merge_text(const Json& merge) const {
    if (merge.is_string()) return merge.get<std::string>();
    const bool is_pair = merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string();
    const std::string text = is_pair ? merge[0].get<std::string>() + " " + merge[1].get<std::string>() : "";
    if (!is_pair || std::count(text.begin(), text.end(), ' ') != 1) {
      bad(fmt::format("merge {} should be two pieces without spaces", data_.merges.size()));
    }
    return text;
  }

  void read_added_tokens() {
    const Json* tokens = json_.find("added_tokens");
    if (tokens == nullptr) return;
    if (!tokens->is_array()) json_.wrong_type("added_tokens", "an array");
    for (const Json& each : *tokens) {
      const JsonObject token(each, fmt::format("{}: an added token", source_));
      const std::string content = token.text("content").value_or("");
      if (content.empty() || token.find("id") == nullptr) bad("an added token without content or id");
      for (const char* habit : {"single_word", "lstrip", "rstrip"}) {
        if (token.boolean(habit).value_or(false)) {
          unsupported(fmt::format("added token {} with {}; known are tokens that leave the text around them alone",
                                  printable(content), habit));
        }
      }
      const std::uint32_t id = checked_id(*token.find("id"), content);
      place(id, content, token.boolean("special").value_or(false) ? token_type::kControl : token_type::kUserDefined);
      if (token.boolean("normalized").value_or(false)) data_.normalised_tokens.push_back(static_cast<std::int32_t>(id));
    }
  }

  /// Members of a Sequence under `field`, or the object itself.
  template <typename Use>
  void each_of(const JsonObject& object, const std::string& field, const Use& use) const {
    if (type_of(object) != "Sequence") return use(object);
    const Json* members = object.find(field);
    if (members == nullptr || !members->is_array()) bad(fmt::format("field '{}' should be an array", field));
    for (const Json& member : *members) use(JsonObject(member, object.where()));
  }

  void read_normaliser(const JsonObject& normaliser) {
    each_of(normaliser, "normalizers", [this](const JsonObject& step) {
      if (type_of(step) != "NFC") unsupported(fmt::format("normaliser {}; known is NFC", printable(type_of(step))));
      data_.nfc = true;
    });
  }

  void read_pre_tokenizer() {
    const auto pre_tokenizer = json_.object("pre_tokenizer");
    if (!pre_tokenizer) unsupported("no pre-tokenizer; known are those of GPT-2, SmolLM, Llama 3 and Qwen");
    bool digits = false, byte_level = false, gpt2_pattern = false;
    std::optional<std::string> family;
    each_of(*pre_tokenizer, "pretokenizers", [&](const JsonObject& step) {
      const std::string type = type_of(step);
      if (byte_level || (family && type != "ByteLevel")) unsupported("a pre-tokenizer of more steps than known");
      if (type == "ByteLevel") {
        if (step.boolean("add_prefix_space").value_or(true)) unsupported("a pre-tokenizer that adds a space in front");
        byte_level = true;
        gpt2_pattern = step.boolean("use_regex").value_or(true);
      } else if (type == "Digits" && step.boolean("individual_digits").value_or(false)) {
        digits = true;
      } else if (type == "Split") {
        family = family_of(step);
      } else {
        unsupported(
            fmt::format("pre-tokenizer {}; known are ByteLevel, Digits (individual) and Split", printable(type)));
      }
    });
    if (!byte_level) unsupported("a pre-tokenizer without a ByteLevel step");
    if (gpt2_pattern && !family) {
      data_.pre = digits ? "smollm" : "gpt-2";
    } else if (family && !gpt2_pattern && !digits) {
      data_.pre = *family;
    } else {
      unsupported("an unknown combination of pre-tokenizer steps");
    }
  }

  std::string family_of(const JsonObject& split) const {
    const auto pattern = split.object("pattern");
    const std::string regex = pattern ? pattern->text("Regex").value_or("") : "";
    const auto family = pre_tokenizer_of_pattern(regex);
    if (!family) unsupported(fmt::format("pre-tokenizer pattern {} is not known", printable(regex)));
    if (split.text("behavior").value_or("") != "Isolated" || split.boolean("invert").value_or(false)) {
      unsupported("a pre-tokenizer that does other than isolate the matches of its pattern");
    }
    return std::string(*family);
  }

  void read_post_processor(const JsonObject& post_processor) {
    each_of(post_processor, "processors", [this](const JsonObject& step) {
      const std::string type = type_of(step);
      if (type == "ByteLevel") return;  // concerns offsets only
      if (type != "TemplateProcessing") {
        unsupported(fmt::format("post-processor {}; known are ByteLevel and TemplateProcessing", printable(type)));
      }
      const Json* items = step.find("single");
      if (items == nullptr || !items->is_array()) bad("a TemplateProcessing step without its array 'single'");
      bool text_seen = false;
      for (const Json& item : *items) {
        if (!item.is_object()) bad("a TemplateProcessing step with an item that is no object");
        if (item.contains("Sequence")) {
          text_seen = true;
        } else if (text_seen || data_.add_bos || !item.contains("SpecialToken")) {
          unsupported("a post-processor that adds other than one token in front");
        } else {
          data_.bos = find_piece(item.at("SpecialToken"));
          data_.add_bos = true;
        }
      }
    });
  }

  std::int32_t find_piece(const Json& special_token) const {
    const auto name = JsonObject(special_token, source_).text("id").value_or("");
    const auto found = std::find(data_.pieces.begin(), data_.pieces.end(), name);
    if (found == data_.pieces.end()) bad(fmt::format("the post-processor's token {} is no piece", printable(name)));
    return static_cast<std::int32_t>(found - data_.pieces.begin());
  }

  JsonObject json_;
  std::string source_;
  std::uint32_t vocab_size_;
  TokenizerData data_;
};

}  // namespace

TokenizerData read_tokenizer_json(const Json& json, const std::string& source, std::uint32_t vocab_size) {
  return Reader(json, source, vocab_size).run();
}

}  // namespace kvwave::capture
