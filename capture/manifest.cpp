#include "capture/manifest.h"

#include <limits>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "capture/error.h"
#include "capture/json_reader.h"
#include "traces/output_file.h"

namespace kvwave::capture {
namespace {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

constexpr int kVersion = 1;

OrderedJson or_null(const std::optional<std::string>& text) {
  return text ? OrderedJson(*text) : OrderedJson(nullptr);
}

OrderedJson as_json(const ManifestEntry& entry) {
  OrderedJson json;
  json["id"] = entry.id;
  json["line"] = entry.line;
  json["sample"] = entry.sample;
  json["seed"] = entry.seed;
  json["trace"] = entry.trace;
  json["prompt_sha256"] = entry.prompt_sha256;
  json["state"] = entry.is_finished ? "finished" : "pending";
  if (!entry.is_finished) return json;
  json["content_sha256"] = entry.content_sha256;
  json["tokens"] = entry.n_tokens;
  json["stop_reason"] = entry.stop_reason;
  json["expected"] = or_null(entry.expected);
  json["found"] = or_null(entry.found);
  json["correct"] = entry.is_right ? OrderedJson(*entry.is_right) : OrderedJson(nullptr);
  if (!entry.program.empty()) json["program"] = entry.program;
  return json;
}

std::string text_or_empty(const JsonObject& json, const std::string& field) {
  return json.text(field).value_or("");
}

ManifestEntry read_entry(const JsonObject& json) {
  constexpr std::uint32_t kMost = std::numeric_limits<std::int32_t>::max();
  ManifestEntry entry;
  entry.id = text_or_empty(json, "id");
  entry.line = json.need_integer("line", 1, kMost);
  entry.sample = json.need_integer("sample", 0, kMost);
  const Json* seed = json.find("seed");
  if (seed == nullptr || !seed->is_number_unsigned()) json.wrong_type("seed", "a whole number");
  entry.seed = seed->get<std::uint64_t>();
  entry.trace = text_or_empty(json, "trace");
  entry.prompt_sha256 = text_or_empty(json, "prompt_sha256");
  entry.is_finished = text_or_empty(json, "state") == "finished";
  if (!entry.is_finished) return entry;
  entry.content_sha256 = text_or_empty(json, "content_sha256");
  entry.n_tokens = json.need_integer("tokens", 0, kMost);
  entry.stop_reason = text_or_empty(json, "stop_reason");
  entry.expected = json.text("expected");
  entry.found = json.text("found");
  entry.is_right = json.boolean("correct");
  entry.program = text_or_empty(json, "program");
  return entry;
}

}  // namespace

PassRate Manifest::pass_rate() const {
  PassRate rate;
  for (const ManifestEntry& entry : entries) {
    if (entry.is_finished && entry.is_right) rate.add(entry.id, *entry.is_right);
  }
  return rate;
}

Manifest read_manifest(const std::filesystem::path& path) {
  try {
    const Json json = read_json_file(path);
    const JsonObject root(json, path.string());
    root.need_integer("kvwave_manifest", 1, kVersion);
    Manifest manifest;
    const auto settings = root.object("settings");
    if (!settings) throw BadModelFile(fmt::format("{}: field 'settings' is missing", path.string()));
    manifest.settings = root.find("settings")->dump();
    if (const auto program = root.object("program")) {
      manifest.program_version = text_or_empty(*program, "version");
      manifest.program_commit = text_or_empty(*program, "commit");
      manifest.device = text_or_empty(*program, "device");
      manifest.attention_kernel = text_or_empty(*program, "attention_kernel");
    }
    manifest.dataset = text_or_empty(root, "dataset");
    const Json* entries = root.find("traces");
    if (entries == nullptr || !entries->is_array()) root.wrong_type("traces", "a list");
    for (const Json& entry : *entries) {
      manifest.entries.push_back(
          read_entry(JsonObject(entry, fmt::format("{}: trace {}", path.string(), manifest.entries.size()))));
    }
    return manifest;
  } catch (const BadModelFile& error) {
    throw BadPrompt(fmt::format("{} (this run's manifest? -f starts over)", error.what()));
  }
}

void write_manifest(const std::filesystem::path& path, const Manifest& manifest) {
  OrderedJson json;
  json["kvwave_manifest"] = kVersion;
  json["program"] = {{"version", manifest.program_version},
                     {"commit", manifest.program_commit},
                     {"device", manifest.device},
                     {"attention_kernel", manifest.attention_kernel}};
  json["dataset"] = manifest.dataset;
  json["settings"] = OrderedJson::parse(manifest.settings);
  const PassRate rate = manifest.pass_rate();
  if (rate.n_problems() > 0) json["accuracy"] = OrderedJson::parse(accuracy_json(rate));
  json["traces"] = OrderedJson::array();
  for (const ManifestEntry& entry : manifest.entries) json["traces"].push_back(as_json(entry));
  traces::write_text_file(path, json.dump(1, ' ', false, OrderedJson::error_handler_t::replace) + "\n", true);
}

std::string settings_difference(const std::string& stored, const std::string& wanted) {
  const Json old = Json::parse(stored), now = Json::parse(wanted);  // sorted: the order of fields does not count
  const auto shown = [](const Json& from, const std::string& name) {
    return from.contains(name) ? from.at(name).dump(-1, ' ', false, Json::error_handler_t::replace) : "absent";
  };
  for (const auto& [name, value] : now.items()) {
    if (!old.contains(name) || old.at(name) != value) {
      return fmt::format("{} is {}, this run has {}", name, shown(old, name), shown(now, name));
    }
  }
  for (const auto& [name, value] : old.items()) {
    if (!now.contains(name)) return fmt::format("{} is {}, this run has none", name, shown(old, name));
  }
  return "";
}

}  // namespace kvwave::capture
