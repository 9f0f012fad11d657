// Everything that is open and looked at. The UI thread owns it; figures are built on two background threads and picked
// up frame by frame, so that a frame only draws.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "viewer/model/eviction_map.h"
#include "viewer/model/figure_list.h"
#include "viewer/model/view_state.h"
#include "viewer/model/worker.h"

namespace kvwave::viewer {

/// The newest finished state of one figure; `figure` stays the earlier one while a new one is made.
struct FigureSlot {
  std::shared_ptr<const Figure> figure;
  std::string error;          ///< why there is none; empty when there is one or it is not ready
  bool pending = false;       ///< a newer one is being made
  std::uint64_t version = 0;  ///< grows with every new figure
};

class Session {
 public:
  Session();
  ~Session();

  /// What happens to the trace that is shown when another is opened.
  enum class Beside {
    yes,  ///< it stays, the other is overlaid in the wave
    no,   ///< it is closed, and those overlaid too
  };
  /// Opens any mix of traces, results and profiles in the background; the kind is found by content. Errors come out
  /// of take_messages(), and what is open stays open.
  void open(const std::filesystem::path& path, Beside beside = Beside::yes);
  /// Makes an overlaid trace the one that is shown everywhere, with the results if they hold it too.
  void show_trace(std::size_t index);
  /// Picks up what the background threads finished; once per frame.
  void poll();
  /// Looks for new rows of growing traces, at most every 0.5 s.
  void follow(std::chrono::steady_clock::time_point now);
  /// Blocks until what was asked for is open or refused; whether results belong to the trace may still be checked.
  void wait_opened();
  /// Blocks until nothing is under way (export, tests).
  void wait();
  bool busy() const;

  bool has_trace() const { return !traces_.empty(); }
  /// Results files and profiles opened since the start, those that a later one replaced too.
  const std::vector<std::filesystem::path>& opened_results() const { return opened_results_; }
  const std::vector<std::filesystem::path>& opened_profiles() const { return opened_profiles_; }
  bool has_results() const { return results_.has_value(); }
  const TraceSnapshot& trace() const { return *traces_.front().snapshot; }
  const std::vector<OpenedTrace>& traces() const { return traces_; }
  const std::shared_ptr<const TraceTokens>& tokens() const { return traces_.front().tokens; }
  const OpenedResults& results() const { return *results_; }
  const std::shared_ptr<const replay::Profile>& profile() const { return profile_; }
  /// Grows when something was opened, closed or has grown.
  std::uint64_t generation() const { return generation_; }

  /// The view, always within what is open. set_view clamps and remembers selections for undo.
  const ViewState& view() const { return view_; }
  void set_view(ViewState view);
  bool undo();
  bool redo();
  const SelectionHistory& history() const { return history_; }
  bool at_head = false;  ///< the cursor stays at the newest step of a growing trace

  /// The figure of that name for the current view; asks for it when it is not the newest.
  const FigureSlot& figure(std::string_view name);
  /// Residency of A and B, null until read.
  std::shared_ptr<const EvictionMap> evictions(bool of_b);
  /// When what A dropped was needed; null until known. Asked for by the first call.
  std::shared_ptr<const NeedIndex> needs();

  /// What went wrong or deserves a line since the last call.
  std::vector<std::string> take_messages();
  /// Without a trace: which one is missing for what is open already, in a line; empty when nothing is open.
  std::string missing_trace() const;
  /// The shell command that opens this view again.
  std::string command() const;
  /// Key and value pairs for a figure's JSON.
  std::vector<std::pair<std::string, std::string>> context() const;

 private:
  struct Slot {
    FigureSlot shown;
    std::string asked;  // key of what was asked for last
  };
  struct Mailbox;

  void add_trace(const std::shared_ptr<TraceSource>& source, Beside beside);
  void leave_trace();
  void enter_trace();
  void add_results(std::shared_ptr<ResultsCache> results);
  void match_results();
  void load_tokens();
  void clamp(ViewState& view) const;
  bool worker_idle() const;
  FigureInputs inputs(Lane lane);
  Lane lane_for(Lane wanted) const;
  Worker& worker(Lane lane) { return *workers_[static_cast<std::size_t>(lane)]; }
  void say(std::string message) { messages_.push_back(std::move(message)); }

  std::vector<OpenedTrace> traces_;
  std::shared_ptr<ResultsCache> loose_results_;  // opened, belongs to no open trace yet
  std::string told_mismatch_;                    // whose they are, when that was said already
  std::optional<OpenedResults> results_;
  std::shared_ptr<const replay::Profile> profile_;
  std::filesystem::path profile_path_;
  std::vector<std::filesystem::path> opened_results_, opened_profiles_;
  ViewState view_;
  SelectionHistory history_;
  std::map<std::string, Slot, std::less<>> slots_;
  std::array<std::shared_ptr<const EvictionMap>, 2> evictions_;
  std::array<std::string, 2> evictions_asked_;
  std::shared_ptr<const NeedIndex> needs_;
  std::string needs_asked_;
  std::vector<std::string> messages_;
  std::uint64_t generation_ = 0;
  std::uint64_t epoch_ = 0;  // grows with another shown trace: figures of the one before come too late
  std::chrono::steady_clock::time_point last_follow_;
  std::array<LaneCache, kLanes> caches_;
  std::shared_ptr<Mailbox> mailbox_;
  // Last, so that they are joined before the rest goes.
  std::array<std::unique_ptr<Worker>, kLanes> workers_;
  std::unique_ptr<Worker> verifier_;
};

}  // namespace kvwave::viewer
