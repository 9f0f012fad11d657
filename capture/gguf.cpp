#include "capture/gguf.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <numeric>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "capture/error.h"
#include "capture/gguf_cursor.h"
#include "capture/printable.h"

namespace kvwave::capture {
namespace {

using kernels::ParamType;

static_assert(std::endian::native == std::endian::little, "values are read in place");

constexpr std::uint32_t kMagic = 0x46554747;  // "GGUF"
constexpr std::uint64_t kDefaultAlignment = 32;
constexpr std::uint64_t kLargestAlignment = 1U << 20;
constexpr std::size_t kSmallestPair = 8 + 4 + 1;            // empty key, type, one byte
constexpr std::size_t kSmallestTensor = 8 + 4 + 8 + 4 + 8;  // empty name, n_dims, one extent, type, offset

struct KnownType {
  std::uint32_t id;
  ParamType type;
};
constexpr std::array<KnownType, kernels::kParamTypeCount> kKnownTypes = {{{0, ParamType::f32},
                                                                          {1, ParamType::f16},
                                                                          {30, ParamType::bf16},
                                                                          {2, ParamType::q4_0},
                                                                          {3, ParamType::q4_1},
                                                                          {6, ParamType::q5_0},
                                                                          {7, ParamType::q5_1},
                                                                          {8, ParamType::q8_0},
                                                                          {12, ParamType::q4_k},
                                                                          {13, ParamType::q5_k},
                                                                          {14, ParamType::q6_k},
                                                                          {10, ParamType::q2_k},
                                                                          {11, ParamType::q3_k},
                                                                          {20, ParamType::iq4_nl},
                                                                          {39, ParamType::mxfp4}}};

// Names of the types that exist but are not read, for messages only.
std::string type_name(std::uint32_t id) {
  static constexpr std::pair<std::uint32_t, std::string_view> kOthers[] = {
      {4, "Q4_2"},        {5, "Q4_3"},      {9, "Q8_1"},   {15, "Q8_K"},  {16, "IQ2_XXS"},    {17, "IQ2_XS"},
      {18, "IQ3_XXS"},    {19, "IQ1_S"},    {21, "IQ3_S"}, {22, "IQ2_S"}, {23, "IQ4_XS"},     {24, "I8"},
      {25, "I16"},        {26, "I32"},      {27, "I64"},   {28, "F64"},   {29, "IQ1_M"},      {31, "Q4_0_4_4"},
      {32, "Q4_0_4_8"},   {33, "Q4_0_8_8"}, {34, "TQ1_0"}, {35, "TQ2_0"}, {36, "IQ4_NL_4_4"}, {37, "IQ4_NL_4_8"},
      {38, "IQ4_NL_8_8"}, {40, "NVFP4"},    {41, "Q1_0"}};
  for (const auto& [other, name] : kOthers) {
    if (other == id) return fmt::format("{} ({})", name, id);
  }
  return fmt::format("{}", id);
}

ParamType param_type(std::uint32_t id, const std::string& where) {
  for (const KnownType& known : kKnownTypes) {
    if (known.id == id) return known.type;
  }
  std::vector<std::string_view> names;
  for (const KnownType& known : kKnownTypes) names.push_back(kernels::to_string(known.type));
  throw UnsupportedModel(
      fmt::format("{} has type {}; known types are {}", where, type_name(id), fmt::join(names, ", ")));
}

std::uint32_t read_version(GgufCursor& cursor, const std::string& file) {
  if (cursor.remaining() < 4 || cursor.number<std::uint32_t>("the magic number") != kMagic) {
    throw BadModelFile(fmt::format("{} is not a GGUF file: it does not begin with \"GGUF\"", file));
  }
  const auto version = cursor.number<std::uint32_t>("the version");
  if (version == 2 || version == 3) return version;
  if ((version & 0xffffU) == 0 && version != 0) {
    throw UnsupportedModel(fmt::format("{} is a big-endian GGUF file; kvwave reads little-endian ones", file));
  }
  throw UnsupportedModel(fmt::format("{} is GGUF version {}; kvwave reads versions 2 and 3", file, version));
}

// Reads one entry of the tensor directory; offset and bytes are filled in once the data section's start is known.
GgufTensor read_tensor(GgufCursor& cursor, const std::string& file) {
  GgufTensor tensor;
  tensor.name = cursor.string("a tensor's name");
  const std::string where = fmt::format("{}: tensor {}", file, printable(tensor.name));
  const auto n_dims = cursor.number<std::uint32_t>(where);
  if (n_dims < 1 || n_dims > 4) throw BadModelFile(fmt::format("{} has {} dimensions, expected 1 to 4", where, n_dims));
  std::uint64_t values = 1;
  for (std::uint32_t i = 0; i < n_dims; ++i) {
    const auto extent = cursor.number<std::uint64_t>(where);
    if (extent == 0) throw BadModelFile(fmt::format("{} has a dimension of size 0", where));
    // 2^48 values are more than any file holds and keep all sums below in range.
    if (extent > (std::uint64_t{1} << 48) / values) throw BadModelFile(fmt::format("{} has an impossible size", where));
    values *= extent;
    tensor.shape.push_back(extent);
  }
  tensor.type = param_type(cursor.number<std::uint32_t>(where), where);
  const std::size_t block = kernels::block_values(tensor.type);
  if (tensor.shape[0] % block != 0) {
    throw BadModelFile(fmt::format("{} has rows of {} values, but type {} comes in blocks of {}", where,
                                   tensor.shape[0], kernels::to_string(tensor.type), block));
  }
  tensor.offset = cursor.number<std::uint64_t>(where);
  return tensor;
}

std::uint64_t data_bytes(const GgufTensor& tensor) {
  const auto values = std::accumulate(tensor.shape.begin(), tensor.shape.end(), std::uint64_t{1}, std::multiplies<>());
  return values / kernels::block_values(tensor.type) * kernels::block_bytes(tensor.type);
}

void place_tensor(GgufTensor& tensor, std::span<const std::byte> file_bytes, std::uint64_t data_start,
                  std::uint64_t alignment, const std::string& file) {
  const std::string where = fmt::format("{}: tensor {}", file, printable(tensor.name));
  if (tensor.offset % alignment != 0) {
    throw BadModelFile(fmt::format("{} is at data offset {}, not a multiple of the file's alignment {}", where,
                                   tensor.offset, alignment));
  }
  const std::uint64_t bytes = data_bytes(tensor);
  const std::uint64_t available = file_bytes.size() - std::min<std::uint64_t>(data_start, file_bytes.size());
  if (tensor.offset > available || bytes > available - tensor.offset) {
    throw BadModelFile(
        fmt::format("{} needs {} bytes at data offset {}, but the file's data section has {} (truncated?)", where,
                    bytes, tensor.offset, available));
  }
  tensor.offset += data_start;
  tensor.bytes = file_bytes.subspan(tensor.offset, bytes);
}

void check_overlap(std::span<const GgufTensor> tensors, const std::string& file) {
  std::vector<const GgufTensor*> by_offset;
  for (const GgufTensor& tensor : tensors) by_offset.push_back(&tensor);
  std::sort(by_offset.begin(), by_offset.end(),
            [](const GgufTensor* a, const GgufTensor* b) { return a->offset < b->offset; });
  for (std::size_t i = 1; i < by_offset.size(); ++i) {
    const GgufTensor& previous = *by_offset[i - 1];
    if (by_offset[i]->offset < previous.offset + previous.bytes.size()) {
      throw OverlappingTensors(
          fmt::format("{}: tensors {} and {} overlap", file, printable(previous.name), printable(by_offset[i]->name)));
    }
  }
}

template <typename T>
T load(const std::byte* p) {
  T value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

bool is_integer(GgufType type) {
  return fixed_size(type) != 0 && type != GgufType::f32 && type != GgufType::f64 && type != GgufType::boolean;
}

// The integer at p, sign-extended; values of u64 beyond the signed range come out negative.
std::int64_t load_integer(GgufType type, const std::byte* p) {
  switch (type) {
    case GgufType::u8:
      return load<std::uint8_t>(p);
    case GgufType::i8:
      return load<std::int8_t>(p);
    case GgufType::u16:
      return load<std::uint16_t>(p);
    case GgufType::i16:
      return load<std::int16_t>(p);
    case GgufType::u32:
      return load<std::uint32_t>(p);
    case GgufType::i32:
      return load<std::int32_t>(p);
    default:
      return load<std::int64_t>(p);
  }
}

}  // namespace

std::string_view to_string(GgufType type) {
  static constexpr std::array<std::string_view, 13> kNames = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                                              "bool", "string", "array", "u64", "i64", "f64"};
  return kNames[static_cast<std::size_t>(type)];
}

std::string GgufTensor::shape_text() const {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

GgufFile::GgufFile(const std::filesystem::path& path, FileMemory memory) : path_(path), file_(path, memory) {
  const std::string file = path.string();
  GgufCursor cursor(path_, file_.bytes());
  version_ = read_version(cursor, file);
  const auto n_tensors = cursor.count(kSmallestTensor, "the number of tensors");
  const auto n_pairs = cursor.count(kSmallestPair, "the number of keys");
  for (std::uint64_t i = 0; i < n_pairs; ++i) {
    const std::string_view key = cursor.string("a key");
    if (!values_.emplace(key, cursor.value(key)).second) {
      throw DuplicateName(fmt::format("{}: key {} appears twice", file, printable(key)));
    }
  }
  const std::uint64_t alignment = unsigned_integer("general.alignment").value_or(kDefaultAlignment);
  if (!std::has_single_bit(alignment) || alignment > kLargestAlignment) {
    throw BadModelFile(fmt::format("{}: general.alignment is {}, expected a power of two up to {}", file, alignment,
                                   kLargestAlignment));
  }
  for (std::uint64_t i = 0; i < n_tensors; ++i) {
    tensors_.push_back(read_tensor(cursor, file));
    if (!tensor_index_.emplace(tensors_.back().name, i).second) {
      throw DuplicateName(fmt::format("{}: tensor {} appears twice", file, printable(tensors_.back().name)));
    }
  }
  const std::uint64_t data_start = (cursor.position() + alignment - 1) / alignment * alignment;
  for (GgufTensor& tensor : tensors_) place_tensor(tensor, file_.bytes(), data_start, alignment, file);
  check_overlap(tensors_, file);
}

const GgufTensor* GgufFile::find_tensor(std::string_view name) const {
  const auto found = tensor_index_.find(name);
  return found == tensor_index_.end() ? nullptr : &tensors_[found->second];
}

const GgufValue* GgufFile::find(std::string_view key) const {
  const auto found = values_.find(key);
  return found == values_.end() ? nullptr : &found->second;
}

void GgufFile::wrong_type(std::string_view key, std::string_view expected, const GgufValue& value) const {
  throw BadModelFile(fmt::format("{}: key {}: expected {}, got {}{}", path_.string(), printable(key), expected,
                                 value.is_array ? "an array of " : "", to_string(value.type)));
}

std::optional<std::uint64_t> GgufFile::unsigned_integer(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_array || !is_integer(value->type)) wrong_type(key, "an integer", *value);
  const std::int64_t number = load_integer(value->type, value->bytes.data());
  if (number < 0) {
    throw BadModelFile(fmt::format("{}: key {} is negative or too large", path_.string(), printable(key)));
  }
  return static_cast<std::uint64_t>(number);
}

std::optional<double> GgufFile::real(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_array && value->type == GgufType::f32) return load<float>(value->bytes.data());
  if (!value->is_array && value->type == GgufType::f64) return load<double>(value->bytes.data());
  wrong_type(key, "a floating-point number", *value);
}

std::optional<bool> GgufFile::boolean(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_array || value->type != GgufType::boolean) wrong_type(key, "a bool", *value);
  return load<std::uint8_t>(value->bytes.data()) != 0;
}

std::optional<std::string> GgufFile::string(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_array || value->type != GgufType::string) wrong_type(key, "a string", *value);
  return std::string(GgufCursor(path_, value->bytes).string(key));
}

std::optional<std::vector<std::string>> GgufFile::strings(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_array || value->type != GgufType::string) wrong_type(key, "an array of strings", *value);
  GgufCursor cursor(path_, value->bytes);
  std::vector<std::string> all;
  all.reserve(value->count);  // each takes at least 8 bytes of the file
  for (std::uint64_t i = 0; i < value->count; ++i) all.emplace_back(cursor.string(key));
  return all;
}

std::optional<std::vector<std::int32_t>> GgufFile::integers(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_array || !is_integer(value->type)) wrong_type(key, "an array of integers", *value);
  std::vector<std::int32_t> all;
  all.reserve(value->count);
  for (std::uint64_t i = 0; i < value->count; ++i) {
    const std::int64_t number = load_integer(value->type, value->bytes.data() + i * fixed_size(value->type));
    if (number < std::numeric_limits<std::int32_t>::min() || number > std::numeric_limits<std::int32_t>::max()) {
      throw BadModelFile(fmt::format("{}: key {} holds a number beyond 32 bits", path_.string(), printable(key)));
    }
    all.push_back(static_cast<std::int32_t>(number));
  }
  return all;
}

std::optional<std::vector<float>> GgufFile::reals(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_array || value->type != GgufType::f32) wrong_type(key, "an array of f32", *value);
  std::vector<float> all(value->count);
  std::memcpy(all.data(), value->bytes.data(), value->count * sizeof(float));
  return all;
}

}  // namespace kvwave::capture
