#include "viewer/model/session.h"

#include <algorithm>
#include <exception>
#include <fstream>
#include <functional>
#include <utility>

#include <fmt/format.h>

#include "replay/error.h"
#include "traces/error.h"
#include "viewer/model/view_words.h"

namespace kvwave::viewer {
namespace {

constexpr std::uint64_t kMostHashedBytes = std::uint64_t{1} << 30;
constexpr std::chrono::milliseconds kFollowEvery{500};

bool looks_like_json(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  char first = 0;
  while (file.get(first)) {
    if (first != ' ' && first != '\n' && first != '\t' && first != '\r') return first == '{';
  }
  return false;
}

std::string sizes(const replay::ResultsTrace& trace) {
  return fmt::format("{} ({} prompt tokens, {} steps)", trace.name, trace.n_prompt, trace.n_steps);
}

// The strategy of most interest against the baseline of its budget.
void choose_configurations(const replay::ResultsReader& reader, Selection& selection) {
  const auto& all = reader.configurations();
  std::vector<std::uint32_t> budgets;
  for (const auto& one : all) budgets.push_back(one.budget);
  std::sort(budgets.begin(), budgets.end());
  budgets.erase(std::unique(budgets.begin(), budgets.end()), budgets.end());
  const std::uint32_t budget = budgets[budgets.size() / 2];
  std::optional<std::uint32_t> best, first;
  for (std::uint32_t c = 0; c < all.size(); ++c) {
    if (all[c].budget != budget || all[c].control) continue;
    if (!first) first = c;
    if (!best || (all[c].strategy == "reasonalloc/rkv")) best = c;
  }
  selection.a = best.value_or(0);
  selection.b = first.value_or(0);
  if (selection.a != selection.b) return;
  for (std::uint32_t c = 0; c < all.size(); ++c) {
    if (c != selection.a && all[c].budget == budget && all[c].kind == "destructive") {
      selection.a = c;
      return;
    }
  }
}

}  // namespace

/// Where background threads leave what the UI thread is to do.
struct Session::Mailbox {
  std::mutex mutex;
  std::vector<std::function<void(Session&)>> letters;

  void post(std::function<void(Session&)> letter) {
    const std::lock_guard lock(mutex);
    letters.push_back(std::move(letter));
  }
  std::vector<std::function<void(Session&)>> take() {
    const std::lock_guard lock(mutex);
    return std::exchange(letters, {});
  }
  bool empty() {
    const std::lock_guard lock(mutex);
    return letters.empty();
  }
};

Session::Session() : mailbox_(std::make_shared<Mailbox>()) {
  for (auto& worker : workers_) worker = std::make_unique<Worker>();
  verifier_ = std::make_unique<Worker>();
}
Session::~Session() = default;

void Session::open(const std::filesystem::path& path) {
  worker(Lane::quick).submit("open " + path.string(), [mailbox = mailbox_, path](const Cancel&) {
    const auto fail = [&](const std::string& message) { mailbox->post([message](Session& s) { s.say(message); }); };
    try {
      if (looks_like_json(path)) {
        auto profile = std::make_shared<const replay::Profile>(replay::read_profile(path));
        mailbox->post([profile](Session& s) {
          s.profile_ = profile;
          ++s.generation_;
        });
        return;
      }
      try {
        auto source = std::make_shared<TraceSource>(path);
        mailbox->post([source](Session& s) { s.add_trace(source); });
      } catch (const traces::NotATrace& not_a_trace) {
        try {
          auto results = std::make_shared<ResultsCache>(path);
          mailbox->post([results](Session& s) { s.add_results(results); });
        } catch (const replay::BadResults& bad) {
          // A file of neither kind is named as what it was opened for: a trace.
          const std::string what = bad.what();
          fail(what.find("is no results file") != std::string::npos ? not_a_trace.what() : what);
        } catch (const traces::NotATrace&) {
          fail(not_a_trace.what());
        }
      }
    } catch (const std::exception& error) {
      fail(error.what());
    }
  });
}

void Session::open_instead(const std::filesystem::path& path) {
  traces_.clear();
  results_.reset();
  loose_results_.reset();
  profile_.reset();
  slots_.clear();
  evictions_ = {};
  evictions_asked_ = {};
  needs_.reset();
  needs_asked_.clear();
  history_ = {};
  view_ = {};
  ++generation_;
  open(path);
}

void Session::add_trace(const std::shared_ptr<TraceSource>& source) {
  const auto snapshot = source->snapshot();
  const bool first = traces_.empty();
  traces_.push_back({source, snapshot, nullptr});
  ++generation_;
  if (first) {
    const auto& rho = snapshot->info.rho;
    const auto paper = std::find(rho.begin(), rho.end(), 0.93);
    view_.rho = paper == rho.end() ? 0 : static_cast<std::size_t>(paper - rho.begin());
    view_.step = snapshot->n_steps() > 0 ? snapshot->n_steps() - 1 : 0;
    at_head = snapshot->growing;
    load_tokens();
  }
  if (snapshot->status.nan_count > 0) {
    say(fmt::format("{}: {} values of the model were not finite", snapshot->name(), snapshot->status.nan_count));
  }
  match_results();
  clamp(view_);
}

void Session::add_results(std::shared_ptr<ResultsCache> results) {
  loose_results_ = std::move(results);
  if (has_trace()) match_results();
}

void Session::match_results() {
  if (!loose_results_ || !has_trace()) return;
  const replay::ResultsReader& reader = loose_results_->reader();
  const TraceSnapshot& trace = this->trace();
  const traces::ModelShape& shape = trace.info.shape;
  const std::string file = reader.path().string();
  const bool same_model = reader.info().n_layers == shape.n_layers && reader.info().n_q_heads == shape.n_q_heads &&
                          reader.info().n_kv_heads == shape.n_kv_heads &&
                          (reader.info().model_sha256.empty() || reader.info().model_sha256 == trace.info.model_sha256);
  const int found = loose_results_->find(trace.name(), trace.info.n_prompt, trace.n_steps());
  if (!same_model || found < 0) {
    std::string whose;
    for (const auto& one : reader.traces()) whose += (whose.empty() ? "" : ", ") + sizes(one);
    say(fmt::format("{}: results of {}{}, not of {} ({} prompt tokens, {} steps)", file, whose,
                    same_model ? "" : " by another model, " + reader.info().model_name, trace.name(),
                    trace.info.n_prompt, trace.n_steps()));
    loose_results_.reset();
    return;
  }
  results_ = OpenedResults{std::exchange(loose_results_, nullptr), static_cast<std::uint32_t>(found)};
  choose_configurations(results_->cache->reader(), view_.selection);
  ++generation_;
  clamp(view_);
  if (traces_.front().source->one_reader() || trace.file_bytes > kMostHashedBytes) return;
  // Same name and sizes are no proof; the content hash is. It reads the whole file, hence a thread of its own.
  const std::string expected = results_->cache->reader().traces()[results_->trace].content_sha256;
  verifier_->submit("hash", [mailbox = mailbox_, path = trace.path, expected, file](const Cancel&) {
    try {
      if (traces::TraceReader(path).content_sha256() == expected) return;
      mailbox->post([path, file](Session& s) {
        if (!s.results_ || s.results_->cache->reader().path() != file) return;
        const auto whose = s.results_->cache->reader().traces()[s.results_->trace];
        s.results_.reset();
        s.evictions_ = {};
        ++s.generation_;
        s.say(fmt::format("{}: results of {} with content {}..., which {} does not have", file, sizes(whose),
                          whose.content_sha256.substr(0, 12), path.filename().string()));
      });
    } catch (const std::exception& error) {
      mailbox->post([what = std::string(error.what())](Session& s) { s.say(what); });
    }
  });
}

void Session::load_tokens() {
  if (!has_trace() || !trace().info.levels.tokens) return;
  const Lane lane = lane_for(Lane::slow);
  worker(lane).submit("tokens", [mailbox = mailbox_, source = traces_.front().source, lane](const Cancel&) {
    try {
      const auto& reader = source->reader(lane);
      auto tokens = std::make_shared<const TraceTokens>(read_tokens(reader, source->snapshot()->n_positions));
      mailbox->post([source, tokens](Session& s) {
        if (!s.traces_.empty() && s.traces_.front().source == source) s.traces_.front().tokens = tokens;
      });
    } catch (const std::exception& error) {
      mailbox->post([what = std::string(error.what())](Session& s) { s.say(what); });
    }
  });
}

void Session::poll() {
  for (const auto& letter : mailbox_->take()) letter(*this);
}

void Session::follow(std::chrono::steady_clock::time_point now) {
  if (!has_trace() || !trace().growing || now - last_follow_ < kFollowEvery || !worker(Lane::quick).idle()) return;
  last_follow_ = now;
  worker(Lane::quick).submit("follow", [mailbox = mailbox_, source = traces_.front().source](const Cancel&) {
    try {
      if (!source->follow()) return;
      mailbox->post([source](Session& s) {
        if (s.traces_.empty() || s.traces_.front().source != source) return;
        s.traces_.front().snapshot = source->snapshot();
        ++s.generation_;
        if (s.at_head && s.trace().n_steps() > 0) s.view_.step = s.trace().n_steps() - 1;
        s.load_tokens();
      });
    } catch (const std::exception& error) {
      mailbox->post([what = std::string(error.what())](Session& s) { s.say(what); });
    }
  });
}

bool Session::busy() const {
  return !worker_idle() || !mailbox_->empty();
}

bool Session::worker_idle() const {
  return std::all_of(workers_.begin(), workers_.end(), [](const auto& w) { return w->idle(); }) && verifier_->idle();
}

void Session::wait_opened() {
  worker(Lane::quick).wait_idle();
  poll();
}

void Session::wait() {
  do {
    for (const auto& worker : workers_) worker->wait_idle();
    verifier_->wait_idle();
    poll();
  } while (busy());
}

void Session::clamp(ViewState& view) const {
  if (!has_trace()) return;
  const TraceSnapshot& trace = this->trace();
  const auto below = [](auto value, auto n) { return n > 0 ? std::min<decltype(value)>(value, n - 1) : 0; };
  view.step = below(view.step, trace.n_steps());
  view.selection.layer = below(view.selection.layer, trace.info.shape.n_layers);
  view.selection.q_head = below(view.selection.q_head, trace.info.shape.n_q_heads);
  if (view.selection.position && *view.selection.position >= trace.n_positions) view.selection.position.reset();
  view.rho = below(view.rho, trace.n_rho());
  view.window = std::clamp(view.window, 1U, std::max(1U, trace.n_steps()));
  if (!results_) {
    view.selection.a = view.selection.b = 0;
    view.value = HeadValue::demand;
    return;
  }
  const auto n = static_cast<std::uint32_t>(results_->cache->reader().configurations().size());
  view.selection.a = below(view.selection.a, n);
  view.selection.b = below(view.selection.b, n);
}

void Session::set_view(ViewState view) {
  clamp(view);
  history_.changed(view_.selection, view.selection);
  if (view.step != view_.step && has_trace() && view.step + 1 != trace().n_steps()) at_head = false;
  view_ = std::move(view);
}

bool Session::undo() {
  const auto before = history_.undo(view_.selection);
  if (before) view_.selection = *before;
  clamp(view_);
  return before.has_value();
}

bool Session::redo() {
  const auto next = history_.redo(view_.selection);
  if (next) view_.selection = *next;
  clamp(view_);
  return next.has_value();
}

Lane Session::lane_for(Lane wanted) const {
  return has_trace() && traces_.front().source->one_reader() ? Lane::quick : wanted;
}

FigureInputs Session::inputs(Lane lane) {
  FigureInputs in;
  in.view = view_;
  in.traces = traces_;
  in.results = results_;
  in.profile = profile_;
  in.lane = lane;
  in.cache = &caches_[static_cast<std::size_t>(lane)];
  return in;
}

const FigureSlot& Session::figure(std::string_view name) {
  const FigureEntry* entry = find_figure(name);
  if (entry == nullptr) throw std::invalid_argument("no figure is called " + std::string(name));
  Slot& slot = slots_[std::string(name)];
  if (!has_trace()) return slot.shown;
  const std::string key = fmt::format("{}|{}", generation_, entry->key(view_));
  if (slot.asked == key) return slot.shown;
  slot.asked = key;
  slot.shown.pending = true;
  const Lane lane = lane_for(entry->lane);
  worker(lane).submit(std::string(name), [mailbox = mailbox_, entry, key, in = inputs(lane)](const Cancel& cancel) {
    FigureInputs with_cancel = in;
    with_cancel.cancel = cancel;
    std::shared_ptr<const Figure> figure;
    std::string error;
    try {
      figure = std::make_shared<const Figure>(entry->build(with_cancel));
    } catch (const Cancelled&) {
      return;
    } catch (const std::exception& failed) {
      error = failed.what();
    }
    mailbox->post([entry, key, figure, error](Session& s) {
      const auto found = s.slots_.find(entry->name);
      if (found == s.slots_.end()) return;
      FigureSlot& shown = found->second.shown;
      shown.figure = figure;
      shown.error = error;
      shown.pending = found->second.asked != key;
      ++shown.version;
    });
  });
  return slot.shown;
}

std::shared_ptr<const EvictionMap> Session::evictions(bool of_b) {
  const std::size_t which = of_b ? 1 : 0;
  if (!results_) return nullptr;
  const std::uint32_t c = of_b ? view_.selection.b : view_.selection.a;
  const std::string key = fmt::format("{}|{}", generation_, c);
  if (evictions_asked_[which] != key) {
    evictions_asked_[which] = key;
    worker(Lane::quick)
        .submit(of_b ? "evictions b" : "evictions a",
                [mailbox = mailbox_, which, key, c, results = *results_](const Cancel&) {
                  try {
                    auto map = std::make_shared<const EvictionMap>(eviction_map(results, c));
                    mailbox->post([which, key, map](Session& s) {
                      if (s.evictions_asked_[which] == key) s.evictions_[which] = map;
                    });
                  } catch (const std::exception& error) {
                    mailbox->post([what = std::string(error.what())](Session& s) { s.say(what); });
                  }
                });
  }
  return evictions_[which];
}

std::shared_ptr<const NeedIndex> Session::needs() {
  if (!results_ || !trace().info.levels.attention) return nullptr;
  const std::string key = fmt::format("{}|{}", generation_, view_.selection.a);
  if (needs_asked_ != key) {
    needs_asked_ = key;
    needs_.reset();
    const Lane lane = lane_for(Lane::slow);
    worker(lane).submit("needs", [mailbox = mailbox_, key, in = inputs(lane)](const Cancel& cancel) {
      FigureInputs with_cancel = in;
      with_cancel.cancel = cancel;
      try {
        auto index =
            std::make_shared<const NeedIndex>(need_index(with_cancel, eviction_map(*in.results, in.view.selection.a)));
        mailbox->post([key, index](Session& s) {
          if (s.needs_asked_ == key) s.needs_ = index;
        });
      } catch (const Cancelled&) {
      } catch (const std::exception& error) {
        mailbox->post([what = std::string(error.what())](Session& s) { s.say(what); });
      }
    });
  }
  return needs_;
}

std::vector<std::string> Session::take_messages() {
  return std::exchange(messages_, {});
}

std::string Session::command() const {
  std::string text = "kvwave view";
  for (const OpenedTrace& trace : traces_) text += " " + shell_word(trace.snapshot->path.string());
  if (results_) text += " " + shell_word(results_->cache->reader().path().string());
  if (!has_trace()) return text;
  const Selection& selection = view_.selection;
  text += fmt::format(" --step {} --layer {} --q-head {}", view_.step, selection.layer, selection.q_head);
  if (selection.position) text += fmt::format(" --position {}", *selection.position);
  text += fmt::format(" --rho {:g}", trace().info.rho[view_.rho]);
  if (view_.window_only) text += fmt::format(" --window {}", view_.window);
  if (view_.normalised) text += " --normalised";
  if (results_) {
    const auto one = [&](std::uint32_t c) {
      const auto& configuration = results_->configuration(c);
      return shell_word(fmt::format("{}@{}", configuration.strategy, configuration.budget));
    };
    text += fmt::format(" --a {} --b {} --value {} --compared {} --scope {} --metric {}", one(selection.a),
                        one(selection.b), to_word(view_.value), to_word(view_.compared), to_word(view_.scope),
                        view_.metric);
  }
  return text;
}

std::vector<std::pair<std::string, std::string>> Session::context() const {
  std::vector<std::pair<std::string, std::string>> pairs;
  if (!has_trace()) return pairs;
  pairs.emplace_back("trace", trace().path.string());
  pairs.emplace_back("model", trace().info.model_name);
  pairs.emplace_back("model_sha256", trace().info.model_sha256);
  pairs.emplace_back("prompt_sha256", trace().info.prompt_sha256);
  if (results_) {
    pairs.emplace_back("results", results_->cache->reader().path().string());
    pairs.emplace_back("a", results_->configuration(view_.selection.a).full_text);
    pairs.emplace_back("b", results_->configuration(view_.selection.b).full_text);
    pairs.emplace_back("notice", results_->cache->reader().info().notice);
  }
  pairs.emplace_back("command", command());
  return pairs;
}

}  // namespace kvwave::viewer
