// A dataset of prompts: JSON Lines, one object per line.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "capture/chat_template.h"

namespace kvwave::capture {

struct DatasetItem {
  std::size_t line = 0;  ///< 1-based
  std::string id;        ///< safe_file_name() of its id
  std::vector<ChatMessage> messages;
  std::optional<std::string> continuation;
  std::optional<std::string> answer;  ///< what the output is checked against (answer_check.h)
};

/// Which lines of a dataset count, in this order: the first `skip` that are not blank are left out, then only those of
/// `id`, then at most `limit` (0 = all).
struct DatasetSelection {
  std::size_t skip = 0, limit = 0;
  std::optional<std::string> id;
  std::optional<std::string> continuation_field;  ///< its text is fed instead of sampling
};

/// Reads the lines of the selection. The prompt is the string field `problem`, `prompt` or `question`, else `messages`
/// (a list of objects with `role` system, user or assistant, and `content`, the last one the user's); the id is the
/// field `id`, `unique_id` or `problem_idx` (string or whole number), else the line number; `answer` is a string or
/// number. With a continuation field, that string field is required. "-" reads stdin. Throws BadPrompt naming file and
/// line: not JSON, not an object, field missing, doubled, of another type or empty, two lines with the same file name;
/// and when no line is left: an empty file, a skip past its end, an id that no line has. A byte order mark, CRLF and
/// blank lines are fine.
std::vector<DatasetItem> read_dataset(const std::filesystem::path& path, const DatasetSelection& selection);

/// Any text as a file name, without extension, that stays inside its folder: [A-Za-z0-9._-], no leading dot, at most
/// 150 bytes. Other characters become '_', so does a leading dot. Where much of the text is lost, in characters beyond
/// ASCII (each becomes one '_') or past the 150 bytes, "-" and 8 hex digits of its SHA-256 follow, so that names stay
/// apart.
std::string safe_file_name(std::string_view text);

}  // namespace kvwave::capture
