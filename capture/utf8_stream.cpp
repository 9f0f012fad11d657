#include "capture/tokenizer.h"
#include "capture/utf8.h"

namespace kvwave::capture {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD

}  // namespace

std::string Utf8Stream::push(std::string_view bytes) {
  pending_ += bytes;
  std::string out;
  std::size_t done = 0;
  while (done < pending_.size()) {
    const std::string_view rest = std::string_view(pending_).substr(done);
    const Utf8Front front = utf8_front(rest);
    if (front.state == Utf8State::incomplete) break;
    out += front.state == Utf8State::complete ? rest.substr(0, front.length) : kReplacement;
    done += front.length;
  }
  pending_.erase(0, done);
  return out;
}

std::string Utf8Stream::flush() {
  std::string out(pending_.empty() ? "" : kReplacement);
  pending_.clear();
  return out;
}

}  // namespace kvwave::capture
