// A dataset of prompts: JSON Lines, one object per line.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kvwave::capture {

struct DatasetItem {
  std::size_t line = 0;  ///< 1-based
  std::string id;        ///< safe as a file name without extension: [A-Za-z0-9._-], no leading dot, at most 150 bytes
  std::string prompt;
  std::optional<std::string> continuation;
};

/// Reads every line that is not blank, at most `limit` of them (0 = all). The prompt is the string field `problem`,
/// else `prompt`; the id is the field `id`, `unique_id` or `problem_idx` (string or whole number), else the line
/// number. With continuation_field, that string field is required. "-" reads stdin. Throws BadPrompt naming file and
/// line: not JSON, not an object, field missing, of another type or empty, two lines with the same file name.
std::vector<DatasetItem> read_dataset(const std::filesystem::path& path, std::size_t limit,
                                      const std::optional<std::string>& continuation_field);

/// Any text as a file name that stays inside its folder: other characters become '_', so does a leading dot.
std::string safe_file_name(std::string_view text);

}  // namespace kvwave::capture
