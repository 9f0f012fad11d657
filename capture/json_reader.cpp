#include "capture/json_reader.h"

#include <unordered_set>
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

/// Looks through a text before it becomes values: depth and names. (The library's own callback for that scans an object
/// whenever one of its members ends, which takes hours for a large one.)
class Watcher final : public nlohmann::json_sax<Json> {
 public:
  explicit Watcher(const std::string& source) : source_(source) {}

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_array(std::size_t) override {
    deepen();
    return true;
  }
  bool end_array() override {
    --depth_;
    return true;
  }
  bool start_object(std::size_t) override {
    deepen();
    names_.emplace_back();
    return true;
  }
  bool end_object() override {
    --depth_;
    names_.pop_back();
    return true;
  }
  bool key(string_t& name) override {
    if (!names_.back().insert(name).second) {
      throw DuplicateName(fmt::format("{}: the name {} appears twice", source_, printable(name)));
    }
    return true;
  }
  bool parse_error(std::size_t at, const std::string&, const Json::exception&) override {
    // The library's text holds a piece of the input: not fit for one line.
    throw BadModelFile(fmt::format("{}: no valid JSON at byte {}", source_, at));
  }

 private:
  void deepen() {
    if (++depth_ > kDeepest) {
      throw BadModelFile(fmt::format("{}: JSON nested deeper than {} levels", source_, kDeepest));
    }
  }

  const std::string& source_;
  int depth_ = 0;
  std::vector<std::unordered_set<std::string>> names_;  // of the objects that are open
};

}  // namespace

Json parse_json(std::string_view text, const std::string& source) {
  Watcher watcher(source);
  try {
    Json::sax_parse(text, &watcher);
    return Json::parse(text);
  } catch (const Json::exception&) {
    throw BadModelFile(fmt::format("{}: no valid JSON", source));
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
