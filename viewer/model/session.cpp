#include "viewer/model/session.h"

#include <algorithm>
#include <exception>
#include <utility>

#include <fmt/format.h>

#include "viewer/model/session_mailbox.h"
#include "viewer/model/view_words.h"

namespace kvwave::viewer {

Session::Session() : mailbox_(std::make_shared<Mailbox>()) {
  for (auto& worker : workers_) worker = std::make_unique<Worker>();
  verifier_ = std::make_unique<Worker>();
}
Session::~Session() = default;

void Session::poll() {
  for (const auto& letter : mailbox_->take()) letter(*this);
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
  worker(lane).submit(std::string(name),
                      [mailbox = mailbox_, entry, key, epoch = epoch_, in = inputs(lane)](const Cancel& cancel) {
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
                        mailbox->post([entry, key, epoch, figure, error](Session& s) {
                          const auto found = s.slots_.find(entry->name);
                          if (found == s.slots_.end() || epoch != s.epoch_) return;
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
  const auto add = [&](const std::filesystem::path& file) {
    text += ' ';
    text += shell_word(file.string());
  };
  for (const OpenedTrace& trace : traces_) add(trace.snapshot->path);
  if (results_) add(results_->cache->reader().path());
  if (profile_) add(profile_path_);
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
    if (view_.minus_b) text += " --minus-b";
    if (view_.all_controls) text += " --all-controls";
    if (view_.at_cursor) text += " --at-cursor";
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
