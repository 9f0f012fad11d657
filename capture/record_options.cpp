#include "capture/record_options.h"

#include <algorithm>
#include <limits>
#include <stdexcept>

namespace kvwave::capture {
namespace {

constexpr double kParamsRho = 0.93;  // the value of the ReasonAlloc paper: in every grid

}  // namespace

void add_record_options(boost::program_options::options_description& options) {
  const auto text = [] { return boost::program_options::value<std::string>(); };
  options.add_options()                                                                       //
      ("levels", text(), "comma list of stats,qkv,attention,tokens (default: all)")           //
      ("epsilon", text(), "store attention up to this mass per row; 0 = all (default 0.01)")  //
      ("attention-dtype", text(), "f16 or f32: type of stored attention (default f16)")       //
      ("rho", text(), "comma list of demand thresholds; 0.93 is always added")                //
      ("prompt-window", text(), "last prompt rows to record (default 32)");
}

RecordOptions read_record_options(const OptionReader& reader) {
  RecordOptions options;
  if (reader.has("levels")) {
    for (const std::string& level : traces::parse_list("levels", reader.text("levels"))) {
      const std::vector<std::string> known = {"tokens", "stats", "attention", "qkv"};
      if (std::find(known.begin(), known.end(), level) == known.end()) {
        throw traces::UsageError(fmt::format("option --levels: unknown level '{}'{}; known: {}", level,
                                             traces::did_you_mean(level, known), fmt::join(known, ", ")));
      }
    }
    try {
      options.levels = traces::Levels::parse(reader.text("levels"));
    } catch (const std::invalid_argument& error) {
      throw traces::UsageError(fmt::format("option --levels: {}", error.what()));
    }
  }
  reader.real("epsilon", 0, 0.999, options.epsilon);
  reader.integer("prompt-window", 0, std::numeric_limits<std::int32_t>::max(), options.prompt_window);
  options.attention_dtype = traces::parse_float_type(reader.word("attention-dtype", {"f16", "f32"}));
  if (reader.has("rho")) {
    options.rho = {kParamsRho};
    for (const std::string& item : traces::parse_list("rho", reader.text("rho"))) {
      options.rho.push_back(traces::parse_real("rho", item, 1e-6, 1));
    }
    std::sort(options.rho.begin(), options.rho.end());
    options.rho.erase(std::unique(options.rho.begin(), options.rho.end()), options.rho.end());
  }
  return options;
}

}  // namespace kvwave::capture
