// Option parsing shared by all commands, so that they treat mistakes alike. Included by command files only.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <boost/program_options.hpp>

namespace kvwave::traces {

/// Parses `args` strictly: unknown, ambiguous, valueless and doubled options are a UsageError that names them (with the
/// nearest known option). Words that are no options go to `positional` (an option name; "" = none are allowed).
/// `--help` is added; when given, prints `usage` and the options to stdout and returns nothing.
std::optional<boost::program_options::variables_map> parse_options(std::string_view usage,
                                                                   boost::program_options::options_description visible,
                                                                   std::string_view positional,
                                                                   std::span<const std::string> args);

}  // namespace kvwave::traces
