// The side folder in which a run keeps each trace it has finished, so that a crash loses one trace and no more.
#pragma once

#include <filesystem>
#include <string>

namespace kvwave::replay {

class FinishedTraces {
 public:
  /// RESULTS.parts beside `results`; without results a folder of the system's temporary ones, removed at the end.
  /// A folder left by an earlier run is kept with `resume`, emptied with `force`, and refused otherwise.
  /// Throws traces::OutputExists, traces::OutputFailed.
  FinishedTraces(const std::filesystem::path& results, bool resume, bool force);
  ~FinishedTraces();
  FinishedTraces(const FinishedTraces&) = delete;
  FinishedTraces& operator=(const FinishedTraces&) = delete;

  const std::filesystem::path& folder() const { return folder_; }
  /// Named by what decides the content: the trace's content hash and replay_sha256().
  std::filesystem::path file(const std::string& content_sha256, const std::string& replay_sha256) const;
  /// Whether that file is there, whole, and says itself that it is of this trace and these settings.
  bool has(const std::string& content_sha256, const std::string& replay_sha256) const;
  /// Removes the folder with what runs put into it: all is written.
  void remove();

 private:
  std::filesystem::path folder_;
  bool temporary_ = false;
};

}  // namespace kvwave::replay
