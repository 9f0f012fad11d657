#include "capture/dataset.h"

#include <algorithm>
#include <istream>
#include <map>
#include <sstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "capture/error.h"
#include "capture/json_reader.h"
#include "capture/printable.h"
#include "capture/prompt_text.h"
#include "traces/command_line.h"
#include "traces/sha256.h"

namespace kvwave::capture {
namespace {

using Json = nlohmann::json;

/// Reads the fields of one line; every complaint names file and line.
class LineReader {
 public:
  LineReader(const std::filesystem::path& path, std::size_t line, const std::string& text) : path_(path), line_(line) {
    try {
      json_ = parse_json(text, "this is no JSON");
    } catch (const DuplicateName& error) {
      fail(std::string("a field is there twice: ") + error.what());
    } catch (const BadModelFile& error) {
      fail(error.what());
    }
    if (!json_.is_object()) fail(fmt::format("expected a JSON object, got {}", json_.type_name()));
  }

  std::vector<ChatMessage> messages() const {
    for (const char* name : {"problem", "prompt", "question"}) {
      if (json_.contains(name)) return {{"user", text(name)}};
    }
    const auto list = json_.find("messages");
    if (list == json_.end()) fail("none of the fields 'problem', 'prompt', 'question' and 'messages' is there");
    if (!list->is_array() || list->empty()) fail("field 'messages' should be a list of messages");
    std::vector<ChatMessage> messages;
    for (const Json& each : *list) {
      const auto role = each.is_object() ? each.find("role") : each.end();
      const auto content = each.is_object() ? each.find("content") : each.end();
      const bool whole =
          each.is_object() && role != each.end() && content != each.end() && role->is_string() && content->is_string();
      if (!whole) fail("each of the 'messages' should have the strings 'role' and 'content'");
      messages.push_back({role->get<std::string>(), content->get<std::string>()});
      const std::string& word = messages.back().role;
      if (word != "system" && word != "user" && word != "assistant") {
        fail(fmt::format("role {} of a message; known are system, user and assistant", printable(word)));
      }
    }
    if (messages.back().role != "user") fail("the last of the 'messages' should be the user's");
    return messages;
  }

  std::optional<std::string> answer() const {
    const auto field = json_.find("answer");
    if (field == json_.end() || field->is_null()) return std::nullopt;
    if (field->is_string()) return field->get<std::string>();
    if (field->is_number()) return field->dump();
    fail(fmt::format("field 'answer' should be a string or a number, got {}", field->type_name()));
  }

  std::string text(const std::string& name) const {
    const auto field = json_.find(name);
    if (field == json_.end()) fail(fmt::format("field '{}' is missing", name));
    if (!field->is_string()) fail(fmt::format("field '{}' should be a string, got {}", name, field->type_name()));
    if (field->get_ref<const std::string&>().empty()) fail(fmt::format("field '{}' is empty", name));
    return field->get<std::string>();
  }

  std::string id() const {
    for (const char* name : {"id", "unique_id", "problem_idx"}) {
      const auto field = json_.find(name);
      if (field == json_.end()) continue;
      if (field->is_string() && !field->get_ref<const std::string&>().empty()) {
        return safe_file_name(field->get_ref<const std::string&>());
      }
      if (field->is_number_integer()) return safe_file_name(field->dump());
      fail(fmt::format("field '{}' should be a string or a whole number, got {}", name, field->dump()));
    }
    return std::to_string(line_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw BadPrompt(fmt::format("{}, line {}: {}", path_.string(), line_, what));
  }

  const std::filesystem::path& path_;
  std::size_t line_;
  Json json_;
};

}  // namespace

std::string safe_file_name(std::string_view text) {
  constexpr std::size_t kLongest = 150, kHashDigits = 8;
  std::string name;
  bool loses = false;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    loses |= byte >= 0x80;
    if (byte >= 0x80 && byte < 0xC0) continue;  // further bytes of a character
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    name += plain || (c == '.' && !name.empty()) ? c : '_';
  }
  if (name.empty()) name.push_back('_');
  if (loses || name.size() > kLongest) {
    name.resize(std::min(name.size(), kLongest - 1 - kHashDigits));
    name.append(1, '-').append(traces::Sha256().update(text).hex(), 0, kHashDigits);
  }
  return name;
}

std::vector<DatasetItem> read_dataset(const std::filesystem::path& path, const DatasetSelection& selection) {
  std::istringstream lines(read_text_file(path));
  std::vector<DatasetItem> items;
  std::map<std::string, std::size_t> line_of;
  std::vector<std::string> other_ids;
  std::string text;
  std::size_t n_lines = 0;
  for (std::size_t line = 1; std::getline(lines, text); ++line) {
    constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
    if (line == 1 && text.starts_with(kByteOrderMark)) text.erase(0, kByteOrderMark.size());
    if (text.find_first_not_of(" \t\r") == std::string::npos || ++n_lines <= selection.skip) continue;
    const LineReader reader(path, line, text);
    DatasetItem item{line, reader.id(), reader.messages(), {}, reader.answer()};
    const auto [other, is_new] = line_of.emplace(item.id, line);
    if (!is_new) {
      throw BadPrompt(fmt::format("{}, line {}: writes the same file {}.h5 as line {}", path.string(), line, item.id,
                                  other->second));
    }
    if (selection.id && item.id != safe_file_name(*selection.id)) {
      other_ids.push_back(item.id);
      continue;
    }
    if (selection.continuation_field) item.continuation = reader.text(*selection.continuation_field);
    items.push_back(std::move(item));
    if (items.size() == selection.limit) break;
  }
  if (!items.empty()) return items;
  if (n_lines == 0) throw BadPrompt(fmt::format("{}: holds no line but blank ones", path.string()));
  if (n_lines <= selection.skip) {
    throw BadPrompt(
        fmt::format("{}: --skip leaves out {} lines, the file holds {}", path.string(), selection.skip, n_lines));
  }
  throw BadPrompt(fmt::format("{}: no line has the id {}{}", path.string(), printable(*selection.id),
                              traces::did_you_mean(safe_file_name(*selection.id), other_ids)));
}

}  // namespace kvwave::capture
