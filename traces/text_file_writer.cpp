#include "traces/text_file_writer.h"

#include <cerrno>
#include <cstring>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>

#include "traces/error.h"
#include "traces/output_file.h"

namespace kvwave::traces {

TextFileWriter::TextFileWriter(const std::filesystem::path& path, bool overwrite) : path_(path) {
  if (path == "-") {
    file_.reset(std::tmpfile());
  } else {
    check_output(path, overwrite);
    temporary_ = path.string() + fmt::format(".tmp{}", getpid());
    file_.reset(std::fopen(temporary_.c_str(), "wb"));
  }
  if (!file_) fail("cannot create");
}

TextFileWriter::~TextFileWriter() {
  if (!temporary_.empty()) std::remove(temporary_.c_str());
}

void TextFileWriter::fail(std::string_view what) const {
  throw OutputFailed(fmt::format("{}: {}: {}", path_.string(), what, std::strerror(errno)));
}

void TextFileWriter::append(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), file_.get()) != text.size()) fail("cannot write");
}

void TextFileWriter::commit() {
  if (std::fflush(file_.get()) != 0) fail("cannot write");
  if (temporary_.empty()) {
    std::rewind(file_.get());
    std::vector<char> block(std::size_t{1} << 16U);
    for (std::size_t n; (n = std::fread(block.data(), 1, block.size(), file_.get())) > 0;) {
      if (std::fwrite(block.data(), 1, n, stdout) != n) fail("cannot write");
    }
    if (std::ferror(file_.get()) != 0 || std::fflush(stdout) != 0) fail("cannot write");
    return;
  }
  if (fdatasync(fileno(file_.get())) != 0) fail("cannot sync");
  if (std::fclose(file_.release()) != 0) fail("cannot write");
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0) fail("cannot rename into place");
  temporary_.clear();
}

}  // namespace kvwave::traces
