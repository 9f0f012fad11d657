#include "capture/hf_tokenizer.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "capture/error.h"
#include "capture/printable.h"
#include "capture/prompt_text.h"
#include "capture/tokenizer_json.h"

namespace kvwave::capture {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

// A token is written as its text, or as an object with the text as `content`.
std::optional<std::string> token_text(const JsonObject& json, const std::string& field) {
  const Json* value = json.find(field);
  if (value == nullptr) return std::nullopt;
  if (value->is_string()) return value->get<std::string>();
  if (value->is_object()) return JsonObject(*value, json.where()).text("content");
  json.wrong_type(field, "a token's text");
}

std::int32_t token_id(const JsonObject& json, const std::string& field, const TokenizerData& data) {
  const auto text = token_text(json, field);
  if (!text) return -1;
  const auto found = std::find(data.pieces.begin(), data.pieces.end(), *text);
  if (found == data.pieces.end()) {
    throw VocabularyMismatch(
        fmt::format("{}: {} is {}, which the vocabulary lacks", json.where(), field, printable(*text)));
  }
  return static_cast<std::int32_t>(found - data.pieces.begin());
}

// One text, or a list of named ones of which "default" counts.
std::string chat_template(const JsonObject& json) {
  const Json* value = json.find("chat_template");
  if (value == nullptr) return "";
  if (value->is_string()) return value->get<std::string>();
  if (!value->is_array()) json.wrong_type("chat_template", "a string or a list");
  for (const Json& each : *value) {
    const JsonObject named(each, fmt::format("{}: a chat template", json.where()));
    if (named.text("name") == "default") return named.text("template").value_or("");
  }
  return "";
}

void read_tokenizer_config(const JsonObject& json, TokenizerData& data) {
  if (const std::int32_t bos = token_id(json, "bos_token", data); bos >= 0) data.bos = bos;
  data.eos = token_id(json, "eos_token", data);
  data.add_bos = json.boolean("add_bos_token").value_or(data.add_bos);
  data.chat_template = chat_template(json);
}

// One id or a list of them.
void add_end_ids(const JsonObject& json, std::uint32_t vocab_size, std::vector<std::int32_t>& ends) {
  const Json* value = json.find("eos_token_id");
  if (value == nullptr) return;
  const auto add = [&](const Json& id) {
    if (!id.is_number_unsigned()) json.wrong_type("eos_token_id", "an id or a list of ids");
    if (id.get<std::uint64_t>() >= vocab_size) {
      throw VocabularyMismatch(fmt::format("{}: eos_token_id is {}, but the model's embedding has {} rows",
                                           json.where(), id.get<std::uint64_t>(), vocab_size));
    }
    const auto end = id.get<std::int32_t>();
    if (std::find(ends.begin(), ends.end(), end) == ends.end()) ends.push_back(end);
  };
  if (!value->is_array()) return add(*value);
  for (const Json& id : *value) add(id);
}

}  // namespace

TokenizerData read_hf_tokenizer(const fs::path& folder, const JsonObject& config, std::uint32_t vocab_size) {
  TokenizerData data;
  data.source = folder.string();
  if (!is_there(folder / "tokenizer.json")) return data;
  const fs::path path = folder / "tokenizer.json";
  data = read_tokenizer_json(read_json_file(path), path.string(), vocab_size);
  data.template_source = folder.string();
  if (const fs::path side = folder / "tokenizer_config.json"; is_there(side)) {
    const Json json = read_json_file(side);
    read_tokenizer_config(JsonObject(json, side.string()), data);
    if (!data.chat_template.empty()) data.template_source = side.string();
  }
  if (const fs::path side = folder / "chat_template.jinja"; is_there(side)) {
    data.chat_template = read_text_file(side);
    data.template_source = side.string();
  }
  if (const fs::path side = folder / "generation_config.json"; is_there(side)) {
    const Json json = read_json_file(side);
    add_end_ids(JsonObject(json, side.string()), vocab_size, data.end_ids);
  }
  add_end_ids(config, vocab_size, data.end_ids);
  return data;
}

}  // namespace kvwave::capture
