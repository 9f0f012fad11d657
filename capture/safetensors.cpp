#include "capture/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "capture/error.h"
#include "capture/json_reader.h"
#include "capture/printable.h"

namespace kvwave::capture {
namespace {

using Json = nlohmann::json;
using kernels::ParamType;

static_assert(std::endian::native == std::endian::little, "values are read in place");

constexpr std::uint64_t kLengthBytes = 8;
constexpr std::uint64_t kLongestHeader = 100'000'000;  // as the reference implementation has it
constexpr std::size_t kMostExtents = 8;

struct Entry {
  StoredTensor tensor;
  std::uint64_t begin = 0, end = 0;  // in the data section
};

std::string_view header_of(std::span<const std::byte> bytes, const std::string& file) {
  if (bytes.size() < kLengthBytes) {
    throw BadModelFile(fmt::format("{}: {} bytes are too few for a safetensors file", file, bytes.size()));
  }
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof length);
  if (length > kLongestHeader || length > bytes.size() - kLengthBytes) {
    throw HeaderTooLong(
        fmt::format("{}: the header claims {} bytes, but the file has {} after its length and the "
                    "format allows {} (no safetensors file, or truncated?)",
                    file, length, bytes.size() - kLengthBytes, kLongestHeader));
  }
  return {reinterpret_cast<const char*>(bytes.data()) + kLengthBytes, length};
}

ParamType param_type(const Json& dtype, const std::string& where) {
  const std::string name = dtype.is_string() ? dtype.get<std::string>() : dtype.dump();
  for (const ParamType type : {ParamType::f32, ParamType::f16, ParamType::bf16}) {
    if (name == kernels::to_string(type)) return type;
  }
  throw UnsupportedModel(fmt::format("{} has dtype {}; known dtypes are F32, F16, BF16", where, printable(name)));
}

std::uint64_t whole_number(const Json& json, const std::string& where, std::string_view what) {
  if (!json.is_number_unsigned()) {
    throw BadModelFile(fmt::format("{}: {} should be whole numbers from 0 on, got {}", where, what,
                                   printable(json.dump(-1, ' ', true, Json::error_handler_t::replace))));
  }
  return json.get<std::uint64_t>();
}

const Json& array_field(const Json& json, const char* name, const std::string& where) {
  const auto field = json.find(name);
  if (field == json.end() || !field->is_array()) {
    throw BadModelFile(fmt::format("{}: field '{}' {}, expected an array", where, name,
                                   field == json.end() ? "is missing" : "has another type"));
  }
  return *field;
}

Entry read_entry(const std::string& name, const Json& json, const std::string& file) {
  const std::string where = fmt::format("{}: tensor {}", file, printable(name));
  if (!json.is_object()) throw BadModelFile(fmt::format("{} is described by no object", where));
  if (!json.contains("dtype")) throw BadModelFile(fmt::format("{}: field 'dtype' is missing", where));
  Entry entry;
  entry.tensor.name = name;
  entry.tensor.type = param_type(json.at("dtype"), where);
  const Json& shape = array_field(json, "shape", where);
  if (shape.size() > kMostExtents) throw BadModelFile(fmt::format("{} has {} dimensions", where, shape.size()));
  std::uint64_t values = 1;
  for (const Json& extent : shape) {
    entry.tensor.shape.push_back(whole_number(extent, where, "extents"));
    // 2^48 values are more than any file holds and keep all sums below in range.
    if (entry.tensor.shape.back() == 0 || entry.tensor.shape.back() > (std::uint64_t{1} << 48) / values) {
      throw BadModelFile(fmt::format("{} has an empty or impossible shape", where));
    }
    values *= entry.tensor.shape.back();
  }
  const Json& offsets = array_field(json, "data_offsets", where);
  if (offsets.size() != 2)
    throw BadModelFile(fmt::format("{}: expected 2 data_offsets, got {}", where, offsets.size()));
  entry.begin = whole_number(offsets[0], where, "data_offsets");
  entry.end = whole_number(offsets[1], where, "data_offsets");
  const std::uint64_t bytes = values * kernels::block_bytes(entry.tensor.type);
  if (entry.end < entry.begin || entry.end - entry.begin != bytes) {
    throw BadModelFile(fmt::format("{} has data_offsets {} to {}, but its shape needs {} bytes", where, entry.begin,
                                   entry.end, bytes));
  }
  return entry;
}

// Tensors follow one another without holes and fill the file.
void check_layout(const std::vector<Entry>& entries, std::uint64_t data_size, const std::string& file) {
  std::uint64_t filled = 0;
  for (const Entry& entry : entries) {
    const std::string where = fmt::format("{}: tensor {}", file, printable(entry.tensor.name));
    if (entry.begin < filled) {
      throw OverlappingTensors(fmt::format("{} begins at data offset {}, inside the tensor before, which ends at {}",
                                           where, entry.begin, filled));
    }
    if (entry.begin > filled) {
      throw BadModelFile(
          fmt::format("{} begins at data offset {}, which leaves a hole from {} on", where, entry.begin, filled));
    }
    if (entry.end > data_size) {
      throw BadModelFile(fmt::format("{} ends at data offset {}, but the file's data section has {} bytes (truncated?)",
                                     where, entry.end, data_size));
    }
    filled = entry.end;
  }
  if (filled != data_size) {
    throw BadModelFile(fmt::format("{}: {} bytes of data, but the tensors end at {}", file, data_size, filled));
  }
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path, FileMemory memory, const char* what)
    : file_(path, memory, what) {
  const std::string file = path.string();
  const std::string_view header = header_of(file_.bytes(), file);
  const Json json = parse_json(header, fmt::format("{}: header", file));
  if (!json.is_object()) throw BadModelFile(fmt::format("{}: the header is no JSON object", file));
  std::vector<Entry> entries;
  for (const auto& [name, value] : json.items()) {
    if (name != "__metadata__") entries.push_back(read_entry(name, value, file));
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.begin < b.begin; });
  const std::span<const std::byte> data = file_.bytes().subspan(kLengthBytes + header.size());
  check_layout(entries, data.size(), file);
  for (Entry& entry : entries) {
    entry.tensor.bytes = data.subspan(entry.begin, entry.end - entry.begin);
    tensors_.push_back(std::move(entry.tensor));
  }
}

}  // namespace kvwave::capture
