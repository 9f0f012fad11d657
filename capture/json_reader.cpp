#include "capture/json_reader.h"

#include <set>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "capture/error.h"
#include "capture/mapped_file.h"
#include "capture/printable.h"

namespace kvwave::capture {
namespace {

using Json = nlohmann::json;

constexpr int kDeepest = 128;
constexpr std::size_t kLongest = std::size_t{256} << 20;

}  // namespace

Json parse_json(std::string_view text, const std::string& source) {
  std::vector<std::set<std::string>> names;  // of the objects that are open
  const auto watch = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (depth > kDeepest) {
      throw BadModelFile(fmt::format("{}: JSON nested deeper than {} levels", source, kDeepest));
    }
    if (event == Json::parse_event_t::object_start) names.emplace_back();
    if (event == Json::parse_event_t::object_end) names.pop_back();
    if (event == Json::parse_event_t::key && !names.back().insert(parsed.get<std::string>()).second) {
      throw DuplicateName(fmt::format("{}: the name {} appears twice", source, printable(parsed.get<std::string>())));
    }
    return true;
  };
  try {
    return Json::parse(text, watch);
  } catch (const Json::exception& error) {
    // The library's text holds a piece of the input: not fit for one line.
    const auto* at = dynamic_cast<const Json::parse_error*>(&error);
    throw BadModelFile(fmt::format("{}: no valid JSON{}", source, at ? fmt::format(" at byte {}", at->byte) : ""));
  }
}

Json read_json_file(const std::filesystem::path& path) {
  const MappedFile file(path, FileMemory::mapped, "file");
  const std::span<const std::byte> bytes = file.bytes();
  if (bytes.size() > kLongest) {
    throw BadModelFile(fmt::format("{}: {} bytes of JSON, expected at most {}", path.string(), bytes.size(), kLongest));
  }
  return parse_json({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path.string());
}

JsonObject::JsonObject(const Json& json, std::string where) : json_(&json), where_(std::move(where)) {
  if (!json.is_object()) throw BadModelFile(fmt::format("{}: expected an object, got {}", where_, json.type_name()));
}

const Json* JsonObject::find(const std::string& field) const {
  const auto found = json_->find(field);
  return found == json_->end() || found->is_null() ? nullptr : &*found;
}

bool JsonObject::states(const std::string& field) const {
  return json_->contains(field);
}

void JsonObject::missing(const std::string& field) const {
  throw BadModelFile(fmt::format("{}: field '{}' is missing", where_, field));
}
void JsonObject::wrong_type(const std::string& field, std::string_view expected) const {
  throw BadModelFile(
      fmt::format("{}: field '{}' should be {}, got {}", where_, field, expected, json_->at(field).type_name()));
}

std::optional<std::uint32_t> JsonObject::integer(const std::string& field, std::uint32_t low,
                                                 std::uint32_t high) const {
  const Json* value = find(field);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number_integer()) wrong_type(field, "a whole number");
  const bool fits = value->is_number_unsigned()
                        ? value->get<std::uint64_t>() >= low && value->get<std::uint64_t>() <= high
                        : value->get<std::int64_t>() >= low && value->get<std::int64_t>() <= std::int64_t{high};
  if (!fits) {
    throw BadModelFile(fmt::format("{}: field '{}' is {}, expected {} to {}", where_, field, value->dump(), low, high));
  }
  return value->get<std::uint32_t>();
}

std::optional<double> JsonObject::real(const std::string& field, double low, double high) const {
  const Json* value = find(field);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number()) wrong_type(field, "a number");
  const double number = value->get<double>();
  if (!(number >= low && number <= high)) {
    throw BadModelFile(fmt::format("{}: field '{}' is {}, expected {} to {}", where_, field, number, low, high));
  }
  return number;
}

std::optional<bool> JsonObject::boolean(const std::string& field) const {
  const Json* value = find(field);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean()) wrong_type(field, "true or false");
  return value->get<bool>();
}

std::optional<std::string> JsonObject::text(const std::string& field) const {
  const Json* value = find(field);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) wrong_type(field, "a string");
  return value->get<std::string>();
}

std::optional<JsonObject> JsonObject::object(const std::string& field) const {
  const Json* value = find(field);
  if (value == nullptr) return std::nullopt;
  if (!value->is_object()) wrong_type(field, "an object");
  return JsonObject(*value, fmt::format("{}: '{}'", where_, field));
}

std::uint32_t JsonObject::need_integer(const std::string& field, std::uint32_t low, std::uint32_t high) const {
  const auto value = integer(field, low, high);
  if (!value) missing(field);
  return *value;
}

double JsonObject::need_real(const std::string& field, double low, double high) const {
  const auto value = real(field, low, high);
  if (!value) missing(field);
  return *value;
}

}  // namespace kvwave::capture
