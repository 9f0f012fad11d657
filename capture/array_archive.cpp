#include "capture/array_archive.h"

#include <algorithm>
#include <string_view>
#include <system_error>

#include <fmt/format.h>

#include "capture/import_error.h"
#include "capture/printable.h"
#include "traces/error.h"

namespace kvwave::capture {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kEnding = ".npy";

std::string without_ending(std::string name) {
  if (name.ends_with(kEnding)) name.resize(name.size() - kEnding.size());
  return name;
}

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

void ArrayArchive::add_file(const fs::path& path, const std::string& name) {
  mapped_.push_back(std::make_unique<MappedFile>(path, FileMemory::mapped, "recording"));
  files_.push_back(path);
  const std::span<const std::byte> bytes = mapped_.back()->bytes();
  members_[name] = {name, bytes, bytes.size(), 0, false};
}

ArrayArchive::ArrayArchive(const fs::path& path) : path_(path) {
  std::error_code error;
  if (fs::is_directory(path, error)) {
    std::vector<fs::path> found;
    for (const fs::directory_entry& entry : fs::directory_iterator(path, error)) {
      if (entry.path().extension() == kEnding) found.push_back(entry.path());
    }
    if (error) throw BadRecording(fmt::format("{}: cannot be read: {}", path.string(), error.message()));
    std::sort(found.begin(), found.end());
    for (const fs::path& file : found) add_file(file, file.stem().string());
    if (members_.empty()) throw MissingArray(fmt::format("{}: the folder holds no .npy file", path.string()));
    return;
  }
  add_file(path, without_ending(path.filename().string()));
  const std::span<const std::byte> bytes = mapped_.back()->bytes();
  if (traces::is_npy(text_of(bytes))) return;
  is_archive_ = true;
  members_.clear();
  try {
    for (traces::ZipMember& member : traces::zip_members(bytes)) {
      const std::string name = without_ending(member.name);
      if (!members_.emplace(name, std::move(member)).second) {
        throw BadRecording(fmt::format("{}: array {} is there twice", path.string(), printable(name)));
      }
    }
  } catch (const traces::BadArrayFile& failure) {
    throw BadRecording(fmt::format("{}: neither .npy nor .npz: {}", path.string(), failure.what()));
  }
  if (members_.empty()) throw MissingArray(fmt::format("{}: the archive holds no array", path.string()));
}

std::vector<std::string> ArrayArchive::names() const {
  std::vector<std::string> names;
  for (const auto& [name, member] : members_) names.push_back(name);
  return names;
}

std::vector<fs::path> ArrayArchive::files() const {
  return files_;
}

std::string ArrayArchive::place(const std::string& name) const {
  if (is_archive_) return fmt::format("{}: array {}", path_.string(), printable(name));
  return (files_.size() == 1 ? files_.front() : path_ / (name + std::string(kEnding))).string();
}

std::uint64_t ArrayArchive::unpacked_bytes(const std::string& name) const {
  const traces::ZipMember& member = members_.at(name);
  return member.deflated ? member.size : 0;
}

std::shared_ptr<const ArrayArchive::Loaded> ArrayArchive::load(const std::string& name) const {
  const auto loaded = std::make_shared<Loaded>();
  const traces::ZipMember& member = members_.at(name);
  try {
    const std::span<const std::byte> bytes = is_archive_ ? traces::unpack(member, loaded->memory) : member.packed;
    loaded->array = traces::parse_npy(bytes);
  } catch (const traces::BadArrayFile& failure) {
    throw BadRecording(fmt::format("{}: {}", place(name), failure.what()));
  }
  return loaded;
}

}  // namespace kvwave::capture
