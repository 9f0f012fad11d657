// Opening files, telling whose results they are, and following a trace that grows.
#include <algorithm>
#include <exception>
#include <fstream>
#include <utility>

#include <fmt/format.h>

#include "replay/error.h"
#include "traces/error.h"
#include "viewer/model/session_mailbox.h"

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

void Session::open(const std::filesystem::path& path, Beside beside) {
  worker(Lane::quick).submit("open " + path.string(), [mailbox = mailbox_, path, beside](const Cancel&) {
    const auto fail = [&](const std::string& message) { mailbox->post([message](Session& s) { s.say(message); }); };
    try {
      if (looks_like_json(path)) {
        auto profile = std::make_shared<const replay::Profile>(replay::read_profile(path));
        mailbox->post([profile, path](Session& s) {
          s.profile_ = profile;
          s.profile_path_ = path;
          s.opened_profiles_.push_back(path);
          ++s.generation_;
        });
        return;
      }
      try {
        auto source = std::make_shared<TraceSource>(path);
        mailbox->post([source, beside](Session& s) { s.add_trace(source, beside); });
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

// What belongs to the trace shown so far; results stay, as they may hold the next one too.
void Session::leave_trace() {
  ++epoch_;
  if (results_) loose_results_ = std::exchange(results_, std::nullopt)->cache;
  slots_.clear();
  evictions_ = {};
  evictions_asked_ = {};
  needs_.reset();
  needs_asked_.clear();
  history_ = {};
  view_.selection = {};
}

void Session::enter_trace() {
  const TraceSnapshot& trace = this->trace();
  ++generation_;
  const auto& rho = trace.info.rho;
  const auto paper = std::find(rho.begin(), rho.end(), 0.93);
  view_.rho = paper == rho.end() ? 0 : static_cast<std::size_t>(paper - rho.begin());
  view_.step = trace.n_steps() > 0 ? trace.n_steps() - 1 : 0;
  at_head = trace.growing;
  load_tokens();
  match_results();
  clamp(view_);
}

void Session::add_trace(const std::shared_ptr<TraceSource>& source, Beside beside) {
  const auto snapshot = source->snapshot();
  if (snapshot->status.nan_count > 0) {
    say(fmt::format("{}: {} values of the model were not finite", snapshot->name(), snapshot->status.nan_count));
  }
  if (beside == Beside::no && has_trace()) {
    leave_trace();
    traces_.clear();
  }
  traces_.push_back({source, snapshot, nullptr});
  if (traces_.size() == 1) {
    enter_trace();
  } else {
    ++generation_;
    match_results();
  }
}

void Session::show_trace(std::size_t index) {
  if (index == 0 || index >= traces_.size()) return;
  leave_trace();
  std::rotate(traces_.begin(), traces_.begin() + static_cast<std::ptrdiff_t>(index),
              traces_.begin() + static_cast<std::ptrdiff_t>(index) + 1);
  enter_trace();
}

void Session::add_results(std::shared_ptr<ResultsCache> results) {
  opened_results_.push_back(results->reader().path());
  loose_results_ = std::move(results);
  if (has_trace()) match_results();
}

std::string Session::missing_trace() const {
  if (has_trace()) return {};
  if (loose_results_) {
    const replay::ResultsReader& reader = loose_results_->reader();
    std::string whose;
    for (const auto& one : reader.traces()) whose += (whose.empty() ? "" : " or ") + one.name;
    return fmt::format("{}: holds results; open the trace too that they are of: {}", reader.path().string(), whose);
  }
  if (profile_) return profile_path_.string() + ": holds a profile; open a trace too, which it is drawn over";
  return {};
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
    const std::string mismatch = fmt::format("{}: results of {}{}, not of {} ({} prompt tokens, {} steps)", file, whose,
                                             same_model ? "" : " by another model, " + reader.info().model_name,
                                             trace.name(), trace.info.n_prompt, trace.n_steps());
    // Kept: the trace that they are of may be shown next.
    if (mismatch != told_mismatch_) say(mismatch);
    told_mismatch_ = mismatch;
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
        if (!s.results_ || s.results_->cache->reader().path() != file || s.trace().path != path) return;
        const auto whose = s.results_->cache->reader().traces()[s.results_->trace];
        s.results_.reset();
        s.evictions_ = {};
        ++s.generation_;
        s.clamp(s.view_);
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

}  // namespace kvwave::viewer
