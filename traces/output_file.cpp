#include "traces/output_file.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <system_error>
#include <unistd.h>

#include <fmt/format.h>

#include "traces/error.h"

namespace kvwave::traces {
namespace {

namespace fs = std::filesystem;

fs::path folder_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

[[noreturn]] void fail(const fs::path& path, std::string_view what, int error) {
  throw OutputFailed(fmt::format("{}: {}: {}", path.string(), what, std::strerror(error)));
}

void write_all(std::FILE* file, std::string_view text, const fs::path& path) {
  if (std::fwrite(text.data(), 1, text.size(), file) != text.size() || std::fflush(file) != 0) {
    fail(path, "cannot write", errno);
  }
}

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

}  // namespace

void check_output(const fs::path& path, bool overwrite) {
  if (path.empty()) throw OutputFailed("output file name is empty");
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (fs::is_directory(status)) throw OutputFailed(fmt::format("{}: is a folder, expected a file name", path.string()));
  if (fs::exists(status)) {
    if (!overwrite) {
      throw OutputExists(fmt::format("{}: exists already; give -f/--force to replace it", path.string()));
    }
    if (!fs::is_regular_file(status)) {
      throw OutputFailed(fmt::format("{}: is not a regular file and will not be replaced", path.string()));
    }
  }
  const fs::path folder = folder_of(path);
  if (!fs::is_directory(folder, error)) {
    throw OutputFailed(fmt::format("{}: folder {} does not exist", path.string(), folder.string()));
  }
  if (access(folder.c_str(), W_OK | X_OK) != 0) fail(path, fmt::format("cannot write in {}", folder.string()), errno);
}

void write_text_file(const fs::path& path, std::string_view text, bool overwrite) {
  if (path == "-") return write_all(stdout, text, "standard output");
  check_output(path, overwrite);
  const fs::path temporary = path.string() + fmt::format(".tmp{}", getpid());
  try {
    std::unique_ptr<std::FILE, CloseFile> file(std::fopen(temporary.c_str(), "wb"));
    if (!file) fail(path, "cannot create", errno);
    write_all(file.get(), text, path);
    if (fdatasync(fileno(file.get())) != 0) fail(path, "cannot sync", errno);
    if (std::fclose(file.release()) != 0) fail(path, "cannot write", errno);
    fs::rename(temporary, path);
  } catch (const fs::filesystem_error& error) {
    std::remove(temporary.c_str());
    throw OutputFailed(fmt::format("{}: cannot rename into place: {}", path.string(), error.code().message()));
  } catch (...) {
    std::remove(temporary.c_str());
    throw;
  }
}

std::uint64_t free_disk_bytes(const fs::path& path) {
  std::error_code error;
  for (fs::path place = fs::absolute(path);; place = place.parent_path()) {
    const fs::space_info space = fs::space(place, error);
    if (!error) return space.available;
    if (place == place.parent_path()) {
      throw OutputFailed(fmt::format("{}: cannot ask for free space: {}", path.string(), error.message()));
    }
  }
}

}  // namespace kvwave::traces
