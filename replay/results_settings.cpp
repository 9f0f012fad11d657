#include "replay/results_settings.h"

#include <limits>
#include <stdexcept>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "replay/error.h"
#include "traces/command_line.h"
#include "traces/sha256.h"

namespace kvwave::replay {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMostProfiles = 1000, kMostTables = 100'000;

Json profiles_json(const Report& report) {
  Json list = Json::array();
  for (const ReportProfile& used : report.profiles) {
    list.push_back({{"source", used.path}, {"profile", Json::parse(to_json(used.profile))}});
  }
  return list;
}

Json tables_json(const Report& report) {
  Json list = Json::array();
  for (const ReportTable& table : report.tables) list.push_back({{"path", table.path}, {"sha256", table.sha256}});
  return list;
}

std::string one_line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

[[noreturn]] void refuse_results(const std::filesystem::path& path, std::string_view what) {
  throw BadResults(fmt::format("{}: settings: {}", path.string(), what));
}

const Json& field(const Json& object, const char* name, const std::filesystem::path& path) {
  const auto found = object.is_object() ? object.find(name) : object.end();
  if (!object.is_object() || found == object.end()) refuse_results(path, fmt::format("field '{}' is missing", name));
  return *found;
}

std::uint64_t whole(const Json& object, const char* name, std::uint64_t low, std::uint64_t high,
                    const std::filesystem::path& path) {
  const Json& value = field(object, name, path);
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() < low || value.get<std::uint64_t>() > high) {
    refuse_results(path, fmt::format("field '{}': expected a whole number in [{}, {}]", name, low, high));
  }
  return value.get<std::uint64_t>();
}

double real(const Json& object, const char* name, double low, double high, const std::filesystem::path& path) {
  const Json& value = field(object, name, path);
  const double number = value.is_number() ? value.get<double>() : std::numeric_limits<double>::quiet_NaN();
  if (!(number > low && number < high))
    refuse_results(path, fmt::format("field '{}': expected a number in ({}, {})", name, low, high));
  return number;
}

std::string text(const Json& object, const char* name, const std::filesystem::path& path) {
  const Json& value = field(object, name, path);
  if (!value.is_string()) refuse_results(path, fmt::format("field '{}': expected a string", name));
  return value.get<std::string>();
}

}  // namespace

std::string settings_json(const Report& report) {
  const StatisticsSettings& statistics = report.statistics;
  const Json json = {{"metrics", metrics_text(report.metrics)},
                     {"page", report.metrics.page},
                     {"match_memory", report.match_memory},
                     {"profiles", profiles_json(report)},
                     {"tables", tables_json(report)},
                     {"statistics",
                      {{"seed", statistics.bootstrap.seed},
                       {"resamples", statistics.bootstrap.resamples},
                       {"level", statistics.bootstrap.level},
                       {"baseline", statistics.baseline},
                       {"equal_within", statistics.equal_within ? Json(*statistics.equal_within) : Json(nullptr)}}}};
  return one_line(json);
}

void read_settings(const std::string& json, const std::filesystem::path& path, Report& report) {
  const Json object = Json::parse(json, nullptr, false);
  if (object.is_discarded()) refuse_results(path, "not valid JSON");
  try {
    report.metrics = parse_metrics(traces::parse_list("metrics", text(object, "metrics", path)));
  } catch (const std::exception& error) {
    refuse_results(path, error.what());
  }
  report.metrics.page = static_cast<std::uint32_t>(whole(object, "page", 1, kLargestPage, path));
  const Json& matched = field(object, "match_memory", path);
  if (!matched.is_boolean()) refuse_results(path, "field 'match_memory': expected true or false");
  report.match_memory = matched.get<bool>();
  const Json& profiles = field(object, "profiles", path);
  if (!profiles.is_array() || profiles.size() > kMostProfiles)
    refuse_results(path, "field 'profiles': expected a list");
  report.profiles.clear();
  for (const Json& entry : profiles) {
    report.profiles.push_back(
        {text(entry, "source", path), profile_from_json(one_line(field(entry, "profile", path)), path)});
  }
  const Json& tables = field(object, "tables", path);
  if (!tables.is_array() || tables.size() > kMostTables) refuse_results(path, "field 'tables': expected a list");
  report.tables.clear();
  for (const Json& entry : tables) report.tables.push_back({text(entry, "path", path), text(entry, "sha256", path)});
  const Json& statistics = field(object, "statistics", path);
  StatisticsSettings& settings = report.statistics;
  settings.bootstrap.seed = whole(statistics, "seed", 0, std::numeric_limits<std::uint64_t>::max(), path);
  settings.bootstrap.resamples = static_cast<std::uint32_t>(whole(statistics, "resamples", 1, kMostResamples, path));
  settings.bootstrap.level = real(statistics, "level", 0, 1, path);
  settings.baseline = text(statistics, "baseline", path);
  settings.equal_within.reset();
  if (!field(statistics, "equal_within", path).is_null()) {
    settings.equal_within = real(statistics, "equal_within", 0, std::numeric_limits<double>::max(), path);
  }
}

std::string replay_sha256(const Report& report) {
  const traces::Version version = traces::program_version();
  Json configurations = Json::array();
  for (const Configuration& configuration : report.configurations) {
    configurations.push_back({configuration.full_text, configuration.budget, configuration.control,
                              configuration.baseline, to_string(configuration.kind)});
  }
  Json profiles = Json::array();
  for (const ReportProfile& used : report.profiles) profiles.push_back(Json::parse(to_json(used.profile)));
  const Json json = {{"version", version.version},
                     {"commit", version.commit},
                     {"metrics", metrics_text(report.metrics)},
                     {"page", report.metrics.page},
                     {"match_memory", report.match_memory},
                     {"profiles", profiles},
                     {"tables", tables_json(report)},
                     {"configurations", configurations}};
  return traces::Sha256().update(one_line(json)).hex();
}

std::string metrics_text(const Metrics& metrics) {
  std::string list = "mass";
  if (metrics.error) list += ",error";
  if (metrics.recall) list += ",recall";
  return list;
}

Metrics parse_metrics(const std::vector<std::string>& words) {
  Metrics metrics{.mass = true, .error = false, .recall = false};
  const std::vector<std::string> known = {"mass", "error", "recall"};
  for (const std::string& word : words) {
    if (std::find(known.begin(), known.end(), word) == known.end()) {
      throw std::invalid_argument(
          fmt::format("expected a list of mass, error, recall, got '{}'{}", word, traces::did_you_mean(word, known)));
    }
    metrics.error |= word == "error";
    metrics.recall |= word == "recall";
  }
  return metrics;
}

}  // namespace kvwave::replay
