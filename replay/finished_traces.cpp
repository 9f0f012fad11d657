#include "replay/finished_traces.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <system_error>
#include <vector>

#include <fmt/format.h>

#include "replay/error.h"
#include "replay/report_stored.h"
#include "traces/error.h"

namespace kvwave::replay {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "trace-";

// Only what a run wrote is ever removed: its files, and temporary names beside them.
std::vector<fs::path> own_files(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    if (at->path().filename().string().starts_with(kPrefix) && at->is_regular_file()) files.push_back(at->path());
  }
  return files;
}

void remove_own(const fs::path& folder) {
  std::error_code ignored;
  for (const fs::path& file : own_files(folder)) fs::remove(file, ignored);
}

}  // namespace

FinishedTraces::FinishedTraces(const fs::path& results, bool resume, bool force) {
  if (results.empty()) {
    std::string name = (fs::temp_directory_path() / "kvwave-replay-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) {
      throw traces::OutputFailed(fmt::format("{}: cannot create: {}", name, std::strerror(errno)));
    }
    folder_ = name;
    temporary_ = true;
    return;
  }
  folder_ = results.string() + ".parts";
  std::error_code error;
  if (!fs::create_directory(folder_, error) && error) {
    throw traces::OutputFailed(fmt::format("{}: cannot create: {}", folder_.string(), error.message()));
  }
  if (resume || own_files(folder_).empty()) return;
  if (!force) {
    throw traces::OutputExists(
        fmt::format("{}: holds traces that an earlier run finished; --resume continues it, -f/--force starts over",
                    folder_.string()));
  }
  remove_own(folder_);
}

FinishedTraces::~FinishedTraces() {
  std::error_code ignored;
  if (temporary_) remove_own(folder_);
  fs::remove(folder_, ignored);  // does nothing while something is in it
}

fs::path FinishedTraces::file(const std::string& content_sha256, const std::string& replay_sha256) const {
  return folder_ / fmt::format("{}{}-{}.h5", kPrefix, content_sha256.substr(0, 16), replay_sha256.substr(0, 16));
}

bool FinishedTraces::has(const std::string& content_sha256, const std::string& replay_sha256) const {
  const fs::path path = file(content_sha256, replay_sha256);
  std::error_code error;
  if (!fs::exists(path, error)) return false;
  try {
    const StoredReport stored = read_stored_report(path);
    return stored.replay_sha256 == replay_sha256 && stored.report.traces.front().content_sha256 == content_sha256;
  } catch (const Error&) {
    return false;
  } catch (const traces::Error&) {
    return false;
  }
}

void FinishedTraces::remove() {
  remove_own(folder_);
}

}  // namespace kvwave::replay
