#include "replay/profile.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "replay/error.h"
#include "replay/input_text.h"
#include "traces/output_file.h"

namespace kvwave::replay {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kLargestProfileMib = 16;
constexpr std::size_t kHashDigits = 64;

// Reads fields of one file; every complaint names the file and the field.
class FieldReader {
 public:
  FieldReader(const std::filesystem::path& path, const Json& object) : path_(path), object_(object) {}

  [[noreturn]] void refuse(std::string_view field, std::string_view expected) const {
    throw BadProfile(fmt::format("{}: field '{}': expected {}", path_.string(), field, expected));
  }

  std::string text(std::string_view field) const {
    const Json& value = at(field);
    if (!value.is_string()) refuse(field, "a string");
    return value.get<std::string>();
  }

  std::uint64_t count(std::string_view field) const {
    const Json& value = at(field);
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() == 0) refuse(field, "a positive integer");
    return value.get<std::uint64_t>();
  }

  double number(std::string_view field, double low, double high) const { return checked(field, at(field), low, high); }

  std::vector<double> numbers(std::string_view field, std::uint64_t size) const {
    std::vector<double> list;
    for (const Json& item : array(field, size)) {
      list.push_back(checked(field, item, 0, std::numeric_limits<double>::max()));
    }
    return list;
  }

  std::vector<std::string> hashes(std::string_view field, std::uint64_t size) const {
    std::vector<std::string> list;
    for (const Json& item : array(field, size)) list.push_back(hash(field, item));
    return list;
  }

  std::string hash(std::string_view field) const { return hash(field, at(field)); }

  bool has(std::string_view field) const { return object_.contains(field); }

 private:
  const Json& at(std::string_view field) const {
    const auto found = object_.find(field);
    if (found == object_.end()) throw BadProfile(fmt::format("{}: field '{}' is missing", path_.string(), field));
    return *found;
  }

  const Json& array(std::string_view field, std::uint64_t size) const {
    const Json& value = at(field);
    if (!value.is_array()) refuse(field, fmt::format("an array of {}", size));
    if (value.size() != size) refuse(field, fmt::format("{} items, found {}", size, value.size()));
    return value;
  }

  double checked(std::string_view field, const Json& value, double low, double high) const {
    const double number = value.is_number() ? value.get<double>() : std::numeric_limits<double>::quiet_NaN();
    if (!(number >= low && number <= high)) refuse(field, fmt::format("finite numbers in [{}, {}]", low, high));
    return number;
  }

  std::string hash(std::string_view field, const Json& value) const {
    const std::string digits = value.is_string() ? value.get<std::string>() : "";
    const bool hex = digits.find_first_not_of("0123456789abcdef") == std::string::npos;
    if (digits.size() != kHashDigits || !hex) refuse(field, "64 lower-case hex digits");
    return digits;
  }

  const std::filesystem::path& path_;
  const Json& object_;
};

}  // namespace

double fit_limit(const Profile& profile) {
  double limit = kPaperTaskDistance;
  for (const double distance : profile.trace_distance) limit = std::max(limit, distance);
  return limit;
}

std::string fit_limit_text(const Profile& profile) {
  const double limit = fit_limit(profile);
  if (limit > kPaperTaskDistance) return fmt::format("its own traces differ by at most {:.4f}", limit);
  return fmt::format("the ReasonAlloc paper reports {:.4f} across tasks of one model", limit);
}

Profile read_profile(const std::filesystem::path& path) {
  return profile_from_json(read_input_text<BadProfile>(path, kLargestProfileMib, "profile"), path);
}

Profile profile_from_json(const std::string& text, const std::filesystem::path& path) {
  Json object;
  try {
    object = Json::parse(text);
  } catch (const Json::exception&) {
    throw BadProfile(path.string() + ": is not valid JSON");
  }
  if (!object.is_object() || !object.contains("kvwave_profile")) {
    throw BadProfile(path.string() + ": is no kvwave profile (no field 'kvwave_profile')");
  }
  const FieldReader read(path, object);
  if (const std::uint64_t version = read.count("kvwave_profile"); version > kProfileVersion) {
    throw NewerProfile(
        fmt::format("{}: profile version {} is newer than this program's {}", path.string(), version, kProfileVersion));
  }
  Profile profile;
  profile.model_name = read.text("model_name");
  profile.model_sha256 = read.hash("model_sha256");
  profile.rho = read.number("rho", std::numeric_limits<double>::min(), 1);
  const std::uint64_t n_layers = read.count("n_layers");
  profile.demand = read.numbers("demand", n_layers);
  profile.demand_spread = read.numbers("demand_spread", n_layers);
  profile.n_rows = read.count("n_rows");
  profile.traces = read.hashes("traces", read.count("n_traces"));
  if (read.has("trace_distance")) profile.trace_distance = read.numbers("trace_distance", profile.traces.size());
  if (read.has("over_heads") && !parse_word(read.text("over_heads"), profile.reading.heads)) {
    read.refuse("over_heads", "mean, median, max or group-max");
  }
  if (read.has("over_steps") && !parse_word(read.text("over_steps"), profile.reading.steps)) {
    read.refuse("over_steps", "mean, median or max");
  }
  if (read.has("positions") && !parse_word(read.text("positions"), profile.reading.positions)) {
    read.refuse("positions", "all or generated");
  }
  return profile;
}

std::string to_json(const Profile& profile) {
  Json object = {{"kvwave_profile", kProfileVersion},
                 {"model_name", profile.model_name},
                 {"model_sha256", profile.model_sha256},
                 {"n_layers", profile.demand.size()},
                 {"rho", profile.rho},
                 {"demand", profile.demand},
                 {"demand_spread", profile.demand_spread},
                 {"n_traces", profile.traces.size()},
                 {"n_rows", profile.n_rows},
                 {"traces", profile.traces}};
  if (!profile.trace_distance.empty()) object["trace_distance"] = profile.trace_distance;
  const WaveReading& reading = profile.reading;
  if (reading.heads != HeadAverage::mean) object["over_heads"] = to_string(reading.heads);
  if (reading.steps != StepAverage::mean) object["over_steps"] = to_string(reading.steps);
  if (reading.positions != RowPositions::all) object["positions"] = to_string(reading.positions);
  // Model names come from files: bytes that are no UTF-8 are replaced instead of ending the run.
  return object.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

void write_profile(const std::filesystem::path& path, const Profile& profile, bool overwrite) {
  traces::write_text_file(path, to_json(profile), overwrite);
}

}  // namespace kvwave::replay
