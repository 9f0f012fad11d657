#include "replay/sweep_file.h"

#include <algorithm>
#include <fstream>
#include <iostream>
#include <string_view>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "replay/bootstrap.h"
#include "replay/error.h"
#include "replay/request_limits.h"
#include "replay/sweep_syntax.h"
#include "traces/command_line.h"

namespace kvwave::replay {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kSweepVersion = 1;
constexpr std::size_t kLargestSweepFile = std::size_t{1} << 20U;

const std::vector<std::string> kFields = {"kvwave_sweep", "strategies",   "budgets", "metrics",  "controls",
                                          "baseline",     "equal_within", "seed",    "resamples"};
const std::vector<std::string> kStrategyFields = {"allocator", "allocator_parameters", "scorer", "scorer_parameters"};

class SweepReader {
 public:
  explicit SweepReader(std::string name) : name_(std::move(name)) {}

  SweepFile read(std::istream& in) {
    const Json object = Json::parse(text(in), nullptr, false);
    if (object.is_discarded()) fail("is not valid JSON");
    if (!object.is_object() || !object.contains("kvwave_sweep")) fail("is no sweep (no field 'kvwave_sweep')");
    known(object, kFields, "");
    if (whole(object["kvwave_sweep"], "kvwave_sweep", 1, 1'000'000) != kSweepVersion) {
      fail(fmt::format("field 'kvwave_sweep': expected {}", kSweepVersion));
    }
    SweepFile sweep;
    for (const Json& item : list(object, "strategies")) strategy(item, sweep);
    for (const Json& item : list(object, "budgets")) {
      sweep.budgets.push_back(static_cast<std::uint32_t>(whole(item, "budgets", 1, kLargestBudget)));
    }
    for (const Json& item : list(object, "metrics")) sweep.metrics.push_back(string(item, "metrics"));
    if (object.contains("controls")) {
      if (!object["controls"].is_boolean()) fail("field 'controls': expected true or false");
      sweep.controls = object["controls"].get<bool>();
    }
    if (object.contains("baseline")) sweep.baseline = string(object["baseline"], "baseline");
    if (object.contains("equal_within")) {
      const Json& value = object["equal_within"];
      if (!value.is_number() || !(value.get<double>() > 0)) fail("field 'equal_within': expected a number above 0");
      sweep.equal_within = value.get<double>();
    }
    if (object.contains("seed")) sweep.seed = whole(object["seed"], "seed", 0, kLargestSeed);
    if (object.contains("resamples")) {
      sweep.resamples =
          static_cast<std::uint32_t>(whole(object["resamples"], "resamples", kFewestResamples, kMostResamples));
    }
    return sweep;
  }

 private:
  [[noreturn]] void fail(std::string_view what) const { throw BadSweepFile(fmt::format("{}: {}", name_, what)); }

  std::string text(std::istream& in) const {
    std::string all(kLargestSweepFile + 1, '\0');
    in.read(all.data(), static_cast<std::streamsize>(all.size()));
    all.resize(static_cast<std::size_t>(in.gcount()));
    if (all.size() > kLargestSweepFile) fail("is larger than 1 MiB");
    return all;
  }

  void known(const Json& object, const std::vector<std::string>& fields, std::string_view where) const {
    for (const auto& [key, value] : object.items()) {
      if (std::find(fields.begin(), fields.end(), key) != fields.end()) continue;
      fail(fmt::format("unknown field '{}'{}{}", key, where, traces::did_you_mean(key, fields)));
    }
  }

  const Json& list(const Json& object, const char* field) const {
    static const Json kEmpty = Json::array();
    const auto found = object.find(field);
    if (found == object.end()) return kEmpty;
    if (!found->is_array() || found->empty()) fail(fmt::format("field '{}': expected a list with items", field));
    return *found;
  }

  std::uint64_t whole(const Json& value, std::string_view field, std::uint64_t low, std::uint64_t high) const {
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() < low || value.get<std::uint64_t>() > high) {
      fail(fmt::format("field '{}': expected a whole number in [{}, {}]", field, low, high));
    }
    return value.get<std::uint64_t>();
  }

  std::string string(const Json& value, std::string_view field) const {
    if (!value.is_string() || value.get<std::string>().empty()) fail(fmt::format("field '{}': expected a text", field));
    return value.get<std::string>();
  }

  void strategy(const Json& item, SweepFile& sweep) const {
    std::string text;
    if (item.is_object()) {
      known(item, kStrategyFields, " of a strategy");
      text = half(item, "allocator");
      if (text != "full" || item.contains("scorer")) text.append(1, '/').append(half(item, "scorer"));
    } else {
      text = string(item, "strategies");
    }
    for (std::string& one : expand_lists(text)) {
      if (sweep.strategies.size() >= kMostExpanded)
        fail(fmt::format("stands for more than {} strategies", kMostExpanded));
      sweep.strategies.push_back(std::move(one));
    }
  }

  std::string half(const Json& item, const std::string& field) const {
    if (!item.contains(field)) fail(fmt::format("a strategy lacks the field '{}'", field));
    std::string text = plain(item[field], field);
    const std::string parameters = field + "_parameters";
    if (!item.contains(parameters)) return text;
    if (!item[parameters].is_object()) fail(fmt::format("field '{}': expected an object", parameters));
    char separator = ':';
    for (const auto& [key, value] : item[parameters].items()) {
      text += fmt::format("{}{}={}", separator, plain(Json(key), parameters), values(value, parameters));
      separator = ',';
    }
    return text;
  }

  std::string values(const Json& value, const std::string& field) const {
    if (!value.is_array()) return plain(value, field);
    if (value.empty()) fail(fmt::format("field '{}': an empty list stands for nothing", field));
    std::string text = "[";
    for (const Json& one : value) text.append(text.size() > 1 ? "," : "").append(plain(one, field));
    return text.append("]");
  }

  // A word or a number as it stands in a strategy; signs with a meaning there are refused.
  std::string plain(const Json& value, const std::string& field) const {
    if (value.is_number()) return value.dump();
    const std::string text = string(value, field);
    if (text.find_first_of("[]/=") != std::string::npos) {
      fail(fmt::format("field '{}': '[', ']', '/' and '=' cannot stand in '{}'", field, text));
    }
    return text;
  }

  std::string name_;
};

}  // namespace

SweepFile read_sweep_file(const std::filesystem::path& path) {
  if (path == "-") return SweepReader("standard input").read(std::cin);
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) throw BadSweepFile(path.string() + ": is a folder, not a sweep");
  std::ifstream file(path, std::ios::binary);
  if (!file) throw BadSweepFile(path.string() + ": cannot be opened");
  return SweepReader(path.string()).read(file);
}

}  // namespace kvwave::replay
