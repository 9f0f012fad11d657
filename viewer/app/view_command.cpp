#include "viewer/app/view_command.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "traces/command_line.h"
#include "traces/command_options.h"
#include "viewer/app/export.h"
#include "viewer/app/headless_gl.h"
#include "viewer/app/window.h"
#include "viewer/app/window_error.h"
#include "viewer/model/view_words.h"

namespace kvwave::viewer {
namespace {

namespace po = boost::program_options;
using traces::UsageError;

constexpr std::string_view kUsage =
    "usage: kvwave view [TRACE.h5]... [RESULTS.h5] [PROFILE.json] [--export DIR]\n"
    "Opens the viewer. The first trace is the one shown everywhere; further ones are overlaid in the wave.";
constexpr int kLeastPixels = 64, kMostPixels = 16384;

po::options_description described() {
  po::options_description options;
  auto add = options.add_options();
  const auto text = [] { return po::value<std::string>(); };
  add("export", text(), "write every figure as PNG, CSV and JSON into this folder, without a display");
  add("panel", po::value<std::vector<std::string>>(), "only this figure (repeats): overview, wave, compare, ...");
  add("show", po::value<std::vector<std::string>>(), "bring this figure to the front of its panel (repeats)");
  add("size", text(), "WIDTHxHEIGHT of pictures or window, default 1280x800 and 1600x1000");
  add("scale", text(), "size of text in pictures, default 1");
  add("theme", text(), "light or dark");
  add("force,f", "replace existing files");
  add("frames", text(), "draw so many frames, then close");
  add("measure", "with --frames: draw without a display and print frame times as JSON");
  add("step", text(), "decode step of the cursor, default the last");
  add("layer", text(), "selected layer");
  add("q-head", text(), "selected query head");
  add("position", text(), "selected position");
  add("rho", text(), "share of mass of demand N(rho), one of the trace's");
  add("window", text(), "wave over so many steps before the cursor");
  add("normalised", "each wave divided by its mean");
  add("a", text(), "strategy A, as STRATEGY@BUDGET");
  add("b", text(), "strategy B");
  add("value", text(), "of the head figures: demand, budget, resident, retained_mass");
  add("compared", text(), "a, b or difference");
  add("scope", text(), "heads behind the token figures: all, layer, kv_head");
  add("metric", text(), "of the comparison, default retained_mass");
  add("minus-b", "the comparison over budgets as differences to strategy B");
  add("all-controls", "the comparison over budgets with controls too that press the strategies together");
  add("at-cursor", "the comparison over layers at the cursor instead of over the whole run");
  return options;
}

class Arguments {
 public:
  explicit Arguments(const po::variables_map& values) : values_(values) {}
  bool has(const char* name) const { return values_.contains(name); }
  std::string text(const char* name) const { return values_[name].as<std::string>(); }
  std::uint32_t integer(const char* name, std::int64_t low, std::int64_t high) const {
    return static_cast<std::uint32_t>(traces::parse_integer(name, text(name), low, high));
  }
  std::vector<std::string> list(const char* name) const {
    return has(name) ? values_[name].as<std::vector<std::string>>() : std::vector<std::string>();
  }

 private:
  const po::variables_map& values_;
};

std::optional<ThemeKind> theme_of(const Arguments& args) {
  if (!args.has("theme")) return std::nullopt;
  if (args.text("theme") == "light") return ThemeKind::light;
  if (args.text("theme") == "dark") return ThemeKind::dark;
  throw UsageError("option --theme: expected light or dark, got '" + args.text("theme") + "'");
}

void parse_size(const Arguments& args, int& width, int& height) {
  if (!args.has("size")) return;
  const std::string text = args.text("size");
  const std::size_t cross = text.find_first_of("xX");
  try {
    if (cross == std::string::npos) throw UsageError("no cross");
    width = static_cast<int>(traces::parse_integer("size", text.substr(0, cross), kLeastPixels, kMostPixels));
    height = static_cast<int>(traces::parse_integer("size", text.substr(cross + 1), kLeastPixels, kMostPixels));
  } catch (const UsageError&) {  // the whole of it, not the half that is wrong
    throw UsageError(fmt::format("option --size: expected WIDTHxHEIGHT as in 1280x800, each from {} to {}, got '{}'",
                                 kLeastPixels, kMostPixels, text));
  }
}

// "uniform/rkv@128"; without a budget the one that is chosen already, or the only one.
std::uint32_t find_configuration(const Session& session, const char* option, const std::string& text,
                                 std::uint32_t chosen) {
  const auto& all = session.results().cache->reader().configurations();
  const std::size_t at = text.rfind('@');
  const std::string strategy = text.substr(0, at);
  const std::string budget = at == std::string::npos ? std::to_string(all[chosen].budget) : text.substr(at + 1);
  std::vector<std::string> names, strategies, budgets;
  const auto add = [](std::vector<std::string>& to, const std::string& one) {
    if (std::find(to.begin(), to.end(), one) == to.end()) to.push_back(one);
  };
  for (std::uint32_t c = 0; c < all.size(); ++c) {
    const std::string its = std::to_string(all[c].budget);
    if ((all[c].strategy == strategy || all[c].full_text == strategy) && its == budget) return c;
    names.push_back(all[c].strategy + "@" + its);
    add(strategies, all[c].strategy);
    add(budgets, its);
  }
  throw UsageError(fmt::format("option --{}: expected STRATEGY@BUDGET of {}, got '{}'{}; strategies: {}; budgets: {}",
                               option, session.results().cache->reader().path().string(), text,
                               traces::did_you_mean(text, names), fmt::join(strategies, ", "),
                               fmt::join(budgets, ", ")));
}

// A whole number that the trace limits; the message names the trace.
std::uint32_t of_trace(const Arguments& args, const char* option, const TraceSnapshot& trace, std::uint32_t n) {
  try {
    return args.integer(option, 0, std::int64_t{std::max(1U, n)} - 1);
  } catch (const UsageError& error) {
    throw UsageError(fmt::format("{} ({} has {})", error.what(), trace.name(), n));
  }
}

template <class Enum, std::size_t N>
void set_word(const Arguments& args, const char* option, const std::array<std::string_view, N>& words, Enum& value) {
  if (!args.has(option)) return;
  const auto found = from_word<Enum>(words, args.text(option));
  if (!found) {
    throw UsageError(
        fmt::format("option --{}: expected one of {}, got '{}'", option, fmt::join(words, ", "), args.text(option)));
  }
  value = *found;
}

void set_view(const Arguments& args, Session& session) {
  ViewState view = session.view();
  const TraceSnapshot& trace = session.trace();
  const traces::ModelShape& shape = trace.info.shape;
  if (args.has("step")) view.step = of_trace(args, "step", trace, trace.n_steps());
  if (args.has("layer")) view.selection.layer = of_trace(args, "layer", trace, shape.n_layers);
  if (args.has("q-head")) view.selection.q_head = of_trace(args, "q-head", trace, shape.n_q_heads);
  if (args.has("position")) view.selection.position = of_trace(args, "position", trace, trace.n_positions);
  if (args.has("window")) {
    view.window_only = true;
    view.window = args.integer("window", 1, 1 << 30);
  }
  view.normalised = args.has("normalised");
  view.minus_b = args.has("minus-b");
  view.all_controls = args.has("all-controls");
  view.at_cursor = args.has("at-cursor");
  if (args.has("rho")) {
    const double rho = traces::parse_real("rho", args.text("rho"), 0, 1);
    const auto found = std::find(trace.info.rho.begin(), trace.info.rho.end(), rho);
    if (found == trace.info.rho.end()) {
      throw UsageError(fmt::format("option --rho: expected one of {}'s {}, got '{}'", trace.name(),
                                   fmt::join(trace.info.rho, ", "), args.text("rho")));
    }
    view.rho = static_cast<std::size_t>(found - trace.info.rho.begin());
  }
  for (const char* option :
       {"a", "b", "compared", "scope", "metric", "value", "minus-b", "all-controls", "at-cursor"}) {
    if (args.has(option) && !session.has_results() &&
        !(option == std::string_view("value") && args.text(option) == "demand")) {
      throw UsageError(fmt::format("option --{} needs results: kvwave replay {} -o results.h5", option, trace.name()));
    }
  }
  if (args.has("a")) view.selection.a = find_configuration(session, "a", args.text("a"), view.selection.a);
  if (args.has("b")) view.selection.b = find_configuration(session, "b", args.text("b"), view.selection.b);
  set_word(args, "value", kHeadValueWords, view.value);
  set_word(args, "compared", kComparedWords, view.compared);
  set_word(args, "scope", kScopeWords, view.scope);
  if (args.has("metric")) {
    const auto& metrics = session.results().cache->headline_metrics();
    view.metric = args.text("metric");
    if (std::find(metrics.begin(), metrics.end(), view.metric) == metrics.end()) {
      throw UsageError(
          fmt::format("option --metric: expected one of {}, got '{}'", fmt::join(metrics, ", "), view.metric));
    }
  }
  session.set_view(view);
}

// What could not be opened ends a command; in a window it is a line at the bottom.
void fail_on_messages(Session& session) {
  const auto messages = session.take_messages();
  fail_without_trace(session, messages);
  for (const std::string& message : messages) {
    if (message.find("were not finite") == std::string::npos) throw WindowError(message);
    fmt::print(stderr, "kvwave view: {}\n", message);
  }
}

// In a window a second file takes the first one's place; on a command line one of them would be left out in silence.
void refuse_a_second(std::string_view what, const std::vector<std::filesystem::path>& opened) {
  if (opened.size() < 2) return;
  throw UsageError(fmt::format("expected one {}, got {} and {}", what, opened[0].string(), opened[1].string()));
}

PanelTabs tabs_of(const Arguments& args) {
  PanelTabs tabs;
  for (const std::string& figure : args.list("show")) {
    if (bring_to_front(figure, tabs)) continue;
    std::vector<std::string> names;
    for (const FigureEntry& entry : figure_list()) names.emplace_back(entry.name);
    throw UsageError(fmt::format("option --show: no figure is called '{}'{}; there are {}", figure,
                                 traces::did_you_mean(figure, names), fmt::join(names, ", ")));
  }
  return tabs;
}

int run_export(const Arguments& args, Session& session) {
  ExportOptions options;
  options.tabs = tabs_of(args);
  options.folder = args.text("export");
  if (options.folder.empty()) throw UsageError("option --export: expected a folder, got ''");
  for (const std::string& panel : args.list("panel")) {
    if (std::find(options.panels.begin(), options.panels.end(), panel) == options.panels.end())
      options.panels.push_back(panel);
  }
  options.theme = theme_of(args).value_or(ThemeKind::light);
  options.overwrite = args.has("force");
  if (args.has("scale")) options.scale = static_cast<float>(traces::parse_real("scale", args.text("scale"), 0.5, 4));
  parse_size(args, options.width, options.height);
  const std::vector<std::string> names = export_names();
  for (const std::string& panel : options.panels) {
    if (std::find(names.begin(), names.end(), panel) == names.end()) {
      throw UsageError(fmt::format("option --panel: no figure is called '{}'{}; there are {}", panel,
                                   traces::did_you_mean(panel, names), fmt::join(names, ", ")));
    }
  }
  const HeadlessGl gl;
  const ExportReport report = export_figures(session, options);
  for (const auto& path : report.written) fmt::print("{}\n", path.string());
  for (const std::string& left : report.left_out) fmt::print(stderr, "left out {}\n", left);
  return traces::kComplete;
}

int run_measure(const Arguments& args, Session& session, WindowOptions options) {
  options.frames = args.has("frames") ? static_cast<int>(args.integer("frames", 1, 1'000'000)) : 200;
  const FrameTimes times = run_headless(session, options);
  fmt::print(
      "{{\"renderer\": \"{}\", \"width\": {}, \"height\": {}, \"frames\": {}, \"first_frame_ms\": {:.1f}, "
      "\"median_ms\": {:.2f}, \"slowest_tenth_ms\": {:.2f}, \"build_ms\": {:.2f}, \"whole_ms\": {:.2f}, "
      "\"peak_mb\": {:.0f}}}\n",
      times.renderer, options.width, options.height, options.frames, times.first_ms, times.median_ms,
      times.slowest_tenth_ms, times.build_ms, times.whole_ms, times.peak_mb);
  return traces::kComplete;
}

}  // namespace

int view_command(std::span<const std::string> args) {
  const auto values = traces::parse_options(kUsage, described(), "file", args);
  if (!values) return traces::kComplete;
  const Arguments given(*values);
  WindowOptions window;
  window.files = given.list("file");
  window.theme = theme_of(given);
  window.tabs = tabs_of(given);
  parse_size(given, window.width, window.height);
  if (given.has("frames")) window.frames = static_cast<int>(given.integer("frames", 1, 1'000'000));
  for (const char* option : {"panel", "scale", "force"}) {
    if (given.has(option) && !given.has("export"))
      throw UsageError(fmt::format("option --{} goes with --export", option));
  }
  if (given.has("export") && (given.has("frames") || given.has("measure"))) {
    throw UsageError("option --export draws pictures, --frames and --measure a window: choose one");
  }
  for (const std::string& file : window.files) {
    if (file.empty()) throw UsageError("the name of a file is empty");
  }
  Session session;
  for (const std::string& file : window.files) session.open(file);
  if (given.has("measure")) return run_measure(given, session, window);
  if (given.has("export") || !window.files.empty()) {
    given.has("export") ? session.wait() : session.wait_opened();
    fail_on_messages(session);
    refuse_a_second("results file", session.opened_results());
    refuse_a_second("profile", session.opened_profiles());
    set_view(given, session);
  }
  if (given.has("export")) return run_export(given, session);
  run_window(session, window);
  return traces::kComplete;
}

}  // namespace kvwave::viewer
