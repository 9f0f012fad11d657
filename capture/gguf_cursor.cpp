#include "capture/gguf_cursor.h"

#include <algorithm>

#include <fmt/format.h>

#include "capture/error.h"
#include "capture/printable.h"

namespace kvwave::capture {

std::size_t fixed_size(GgufType type) {
  switch (type) {
    case GgufType::u8:
    case GgufType::i8:
    case GgufType::boolean:
      return 1;
    case GgufType::u16:
    case GgufType::i16:
      return 2;
    case GgufType::u32:
    case GgufType::i32:
    case GgufType::f32:
      return 4;
    case GgufType::u64:
    case GgufType::i64:
    case GgufType::f64:
      return 8;
    case GgufType::string:
    case GgufType::array:
      return 0;
  }
  return 0;
}

std::span<const std::byte> GgufCursor::take(std::uint64_t n, std::string_view what) {
  if (n > remaining()) {
    throw BadModelFile(fmt::format("{}: {} needs {} bytes at offset {}, but the file ends at {} (truncated?)",
                                   path_.string(), what, n, position_, file_.size()));
  }
  const auto bytes = file_.subspan(position_, n);
  position_ += n;
  return bytes;
}

std::string_view GgufCursor::string(std::string_view what) {
  const auto length = number<std::uint64_t>(what);
  const auto bytes = take(length, what);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

GgufType GgufCursor::type(std::string_view what) {
  const auto id = number<std::uint32_t>(what);
  if (id > static_cast<std::uint32_t>(GgufType::f64)) {
    throw BadModelFile(fmt::format("{}: {} has value type {}, expected 0 to 12", path_.string(), what, id));
  }
  return static_cast<GgufType>(id);
}

std::uint64_t GgufCursor::count(std::size_t smallest, std::string_view what) {
  const auto n = number<std::uint64_t>(what);
  if (n > remaining() / smallest) {
    throw BadModelFile(fmt::format("{}: {} is {}, more than the rest of the file can hold ({} bytes)", path_.string(),
                                   what, n, remaining()));
  }
  return n;
}

void GgufCursor::skip_elements(GgufType type, std::uint64_t n, std::string_view what) {
  if (type != GgufType::string) {
    take(n * fixed_size(type), what);
    return;
  }
  for (std::uint64_t i = 0; i < n; ++i) string(what);
}

GgufValue GgufCursor::value(std::string_view key) {
  const std::string what = fmt::format("key {}", printable(key));
  GgufValue value;
  value.type = type(what);
  if (value.type == GgufType::array) {
    value.is_array = true;
    value.type = type(what);
    if (value.type == GgufType::array) {
      throw BadModelFile(fmt::format("{}: {} is an array of arrays", path_.string(), what));
    }
    value.count = count(std::max<std::size_t>(fixed_size(value.type), value.type == GgufType::string ? 8 : 1),
                        fmt::format("the length of {}", what));
  }
  const std::size_t start = position_;
  skip_elements(value.type, value.count, what);
  value.bytes = file_.subspan(start, position_ - start);
  return value;
}

}  // namespace kvwave::capture
