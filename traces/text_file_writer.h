// A text output that grows piece by piece and yet appears whole or not at all.
#pragma once

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace kvwave::traces {

class TextFileWriter {
 public:
  /// "-" is stdout: the text is kept in an unnamed temporary file until commit(). Throws OutputExists (unless
  /// overwrite) or OutputFailed.
  TextFileWriter(const std::filesystem::path& path, bool overwrite);
  ~TextFileWriter();  ///< removes what was written when commit() was not reached
  TextFileWriter(const TextFileWriter&) = delete;
  TextFileWriter& operator=(const TextFileWriter&) = delete;

  void append(std::string_view text);  ///< throws OutputFailed
  void commit();                       ///< syncs and renames into place, or prints; throws OutputFailed

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  [[noreturn]] void fail(std::string_view what) const;

  std::filesystem::path path_;
  std::string temporary_;  ///< empty for stdout and once renamed
  std::unique_ptr<std::FILE, Close> file_;
};

}  // namespace kvwave::traces
