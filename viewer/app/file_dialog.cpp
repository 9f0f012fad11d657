#include "viewer/app/file_dialog.h"

#include <algorithm>
#include <array>
#include <imgui.h>
#include <system_error>

namespace kvwave::viewer {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t kMostEntries = 5000;  // of one folder

bool is_ours(const fs::path& path) {
  const std::string ending = path.extension().string();
  return ending == ".h5" || ending == ".hdf5" || ending == ".json";
}

}  // namespace

void FileDialog::open() {
  wanted_ = true;
  std::error_code error;
  if (folder_.empty()) folder_ = fs::current_path(error);
  typed_.clear();
  read_folder();
}

void FileDialog::read_folder() {
  folders_.clear();
  files_.clear();
  std::error_code error;
  for (fs::directory_iterator entry(folder_, error), end; !error && entry != end; entry.increment(error)) {
    std::error_code ignored;
    if (folders_.size() + files_.size() >= kMostEntries) break;
    if (entry->path().filename().string().starts_with(".")) continue;
    if (entry->is_directory(ignored)) {
      folders_.push_back(entry->path());
    } else if (is_ours(entry->path())) {
      files_.push_back(entry->path());
    }
  }
  std::sort(folders_.begin(), folders_.end());
  std::sort(files_.begin(), files_.end());
  error_ = error ? folder_.string() + ": " + error.message() : "";
}

std::optional<fs::path> FileDialog::draw(float scale) {
  if (wanted_) ImGui::OpenPopup("Open");
  wanted_ = false;
  std::optional<fs::path> chosen;
  ImGui::SetNextWindowSize(ImVec2(560 * scale, 420 * scale), ImGuiCond_Appearing);
  if (!ImGui::BeginPopupModal("Open")) return chosen;
  ImGui::TextDisabled("%s", folder_.string().c_str());
  std::optional<fs::path> enter;
  if (ImGui::BeginChild("files", ImVec2(0, -2.4F * ImGui::GetFrameHeightWithSpacing()), ImGuiChildFlags_Borders)) {
    if (folder_.has_parent_path() && ImGui::Selectable("../", false, ImGuiSelectableFlags_NoAutoClosePopups))
      enter = folder_.parent_path();
    for (const fs::path& path : folders_) {
      if (ImGui::Selectable((path.filename().string() + "/").c_str(), false, ImGuiSelectableFlags_NoAutoClosePopups))
        enter = path;
    }
    for (const fs::path& path : files_) {
      if (ImGui::Selectable(path.filename().string().c_str())) chosen = path;
    }
    if (!error_.empty()) ImGui::TextWrapped("%s", error_.c_str());
  }
  ImGui::EndChild();
  std::array<char, 1024> line{};
  typed_.copy(line.data(), line.size() - 1);
  ImGui::SetNextItemWidth(-1);
  const bool entered = ImGui::InputTextWithHint("##path", "or type a path", line.data(), line.size(),
                                                ImGuiInputTextFlags_EnterReturnsTrue);
  typed_ = line.data();
  if ((ImGui::Button("Open") || entered) && !typed_.empty()) chosen = typed_;
  ImGui::SameLine();
  if (ImGui::Button("Cancel") || ImGui::IsKeyPressed(ImGuiKey_Escape)) ImGui::CloseCurrentPopup();
  if (chosen) ImGui::CloseCurrentPopup();
  ImGui::EndPopup();
  if (enter) {
    folder_ = *enter;
    read_folder();
  }
  return chosen;
}

}  // namespace kvwave::viewer
