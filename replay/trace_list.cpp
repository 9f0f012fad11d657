#include "replay/trace_list.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <set>
#include <string_view>

#include <fmt/format.h>

#include "replay/error.h"
#include "traces/array_file.h"
#include "traces/error.h"

namespace kvwave::replay {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLongestLine = std::size_t{64} << 10U;
constexpr std::size_t kMostTraces = 1'000'000;

// Results lie beside traces naturally; anything else that is no trace is a mistake worth a word.
bool is_results(const fs::path& path) {
  try {
    return traces::ArrayFileReader(path).text_attribute("/", "format") == "kvwave-results";
  } catch (const traces::Error&) {
    return false;
  }
}

// A list of traces given without its @.
bool is_text(const fs::path& path) {
  if (path.extension() == ".h5") return false;
  std::ifstream file(path, std::ios::binary);
  char bytes[512];
  file.read(bytes, sizeof(bytes));
  const std::string_view begin(bytes, static_cast<std::size_t>(file.gcount()));
  return !begin.empty() && begin.find('\0') == std::string_view::npos;
}

class TraceLister {
 public:
  void argument(const std::string& text) {
    if (text.size() > 1 && text.front() == '@') return list(text.substr(1));
    std::error_code error;
    if (fs::is_directory(text, error)) return folder(text);
    if (is_text(text)) {
      throw BadTraceList(fmt::format("{0}: is text, no trace; @{0} reads it as a list of traces, one a line", text));
    }
    add(text);
  }

  void list(const std::string& name) {
    if (name == "-") return lines(std::cin, "standard input");
    std::error_code error;
    if (fs::is_directory(name, error)) throw BadTraceList(fmt::format("{}: is a folder, expected a list", name));
    std::ifstream file(name, std::ios::binary);
    if (!file) throw BadTraceList(fmt::format("{}: list of traces cannot be opened", name));
    lines(file, name);
  }

  std::vector<std::string> take() { return std::move(paths_); }

 private:
  void add(const std::string& path) {
    std::error_code error;
    const fs::path real = fs::weakly_canonical(path, error);
    if (!seen_.insert(error ? path : real.string()).second) {
      throw BadTraceList(fmt::format("{}: is named twice; each trace counts once", path));
    }
    if (paths_.size() >= kMostTraces) throw BadTraceList(fmt::format("more than {} traces are named", kMostTraces));
    paths_.push_back(path);
  }

  void folder(const std::string& name) {
    std::vector<std::string> files;
    std::error_code error;
    for (fs::directory_iterator at(name, error), end; !error && at != end; at.increment(error)) {
      if (at->path().extension() == ".h5" && !fs::is_directory(at->path())) files.push_back(at->path().string());
    }
    if (error) throw BadTraceList(fmt::format("{}: folder cannot be read: {}", name, error.message()));
    std::sort(files.begin(), files.end());
    std::erase_if(files, is_results);
    if (files.empty()) throw BadTraceList(fmt::format("{}: folder holds no trace (*.h5)", name));
    for (const std::string& file : files) add(file);
  }

  void lines(std::istream& in, const std::string& name) {
    std::string line;
    std::size_t number = 0, found = 0;
    while (std::getline(in, line)) {
      ++number;
      if (line.size() > kLongestLine)
        throw BadTraceList(fmt::format("{}: line {} is too long for a path", name, number));
      while (!line.empty() && (line.back() == '\r' || line.back() == ' ' || line.back() == '\t')) line.pop_back();
      if (line.empty() || line.front() == '#') continue;
      if (line.front() == '@')
        throw BadTraceList(fmt::format("{}: line {} names a list, expected a trace", name, number));
      std::error_code error;
      if (!fs::exists(line, error)) throw BadTraceList(fmt::format("{}: line {}: {} is not there", name, number, line));
      fs::is_directory(line, error) ? folder(line) : add(line);
      ++found;
    }
    if (found == 0) throw BadTraceList(fmt::format("{}: list names no trace", name));
  }

  std::vector<std::string> paths_;
  std::set<std::string> seen_;
};

}  // namespace

std::vector<std::string> list_traces(std::span<const std::string> arguments, const std::string& list_file) {
  TraceLister lister;
  for (const std::string& argument : arguments) lister.argument(argument);
  if (!list_file.empty()) lister.list(list_file);
  return lister.take();
}

}  // namespace kvwave::replay
