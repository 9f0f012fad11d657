#include "traces/command_options.h"

#include <vector>

#include <fmt/format.h>

#include "traces/command_line.h"

namespace kvwave::traces {
namespace po = boost::program_options;

std::optional<po::variables_map> parse_options(std::string_view usage, po::options_description visible,
                                               std::string_view positional, std::span<const std::string> args) {
  visible.add_options()("help,h", "print this help");
  po::options_description all;
  all.add(visible);
  po::positional_options_description places;
  if (!positional.empty()) {
    all.add_options()(std::string(positional).c_str(), po::value<std::vector<std::string>>());
    places.add(std::string(positional).c_str(), -1);
  }
  const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
  po::variables_map values;
  try {
    const std::vector<std::string> words(args.begin(), args.end());
    po::store(po::command_line_parser(words).options(all).positional(places).style(style).run(), values);
    po::notify(values);
  } catch (const po::unknown_option& error) {
    std::vector<std::string> known;
    for (const auto& option : visible.options()) known.push_back("--" + option->long_name());
    throw UsageError(
        fmt::format("unknown option '{}'{}", error.get_option_name(), did_you_mean(error.get_option_name(), known)));
  } catch (const po::too_many_positional_options_error&) {
    throw UsageError("this command takes no arguments beside its options");
  } catch (const po::error& error) {
    throw UsageError(error.what());
  }
  if (values.contains("help")) {
    fmt::print("{}\n\n", usage);
    for (const auto& option : visible.options()) {
      const std::string short_name = option->canonical_display_name(po::command_line_style::allow_dash_for_short);
      const bool has_short = short_name.size() == 2 && short_name.front() == '-';  // else it is the long one
      const std::string both = (has_short ? short_name + ", --" : "--") + option->long_name();
      fmt::print("  {:<28} {}\n", both + (option->semantic()->max_tokens() > 0 ? " ARG" : ""), option->description());
    }
    return std::nullopt;
  }
  return values;
}

}  // namespace kvwave::traces
