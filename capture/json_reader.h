// Reads JSON files that came with a model, with complaints that name file and field.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace kvwave::capture {

/// Strict JSON: DuplicateName when an object has a field twice, BadModelFile for anything else that is no JSON, or is
/// nested deeper than 128 levels.
nlohmann::json parse_json(std::string_view text, const std::string& source);

/// The whole file, at most 256 MiB of it (the largest tokenizer.json are some 20 MB).
nlohmann::json read_json_file(const std::filesystem::path& path);

/// One object of a file. A field that is null counts as absent.
class JsonObject {
 public:
  /// `where` names file and object. Throws BadModelFile when `json` is no object. Both must outlive the reader.
  JsonObject(const nlohmann::json& json, std::string where);

  const nlohmann::json* find(const std::string& field) const;  ///< nullptr when absent
  bool states(const std::string& field) const;                 ///< whether it is there, be it null
  const std::string& where() const { return where_; }

  // Nothing when the field is absent; BadModelFile when it has another type or is out of range.
  std::optional<std::uint32_t> integer(const std::string& field, std::uint32_t low, std::uint32_t high) const;
  std::optional<double> real(const std::string& field, double low, double high) const;
  std::optional<bool> boolean(const std::string& field) const;
  std::optional<std::string> text(const std::string& field) const;
  std::optional<JsonObject> object(const std::string& field) const;

  // The same for fields that cannot be left out: BadModelFile when absent.
  std::uint32_t need_integer(const std::string& field, std::uint32_t low, std::uint32_t high) const;
  double need_real(const std::string& field, double low, double high) const;

  [[noreturn]] void wrong_type(const std::string& field, std::string_view expected) const;

 private:
  [[noreturn]] void missing(const std::string& field) const;

  const nlohmann::json* json_;
  std::string where_;
};

}  // namespace kvwave::capture
