#include "traces/trace_attributes.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include <fmt/format.h>

#include "traces/error.h"

namespace kvwave::traces {
namespace {

namespace fs = std::filesystem;

constexpr std::uint32_t kMostHeads = 1U << 16;  ///< no model comes near; keeps products of sizes inside 64 bits
constexpr std::uint64_t kMostRho = 64;

/// An attribute that is left out when it is empty.
struct Optional {
  const char* name;
};

/// One visitor lists every root attribute once; `Visit` writes, reads or prints it.
template <class Info, class Visit>
void each_attribute(Info& info, Visit&& visit) {
  visit("program_version", info.program_version);
  visit("program_commit", info.program_commit);
  visit("command_line", info.command_line);
  visit("model_name", info.model_name);
  visit("architecture", info.architecture);
  visit("model_sha256", info.model_sha256);
  visit("tokenizer_sha256", info.tokenizer_sha256);
  visit("n_layers", info.shape.n_layers);
  visit("n_q_heads", info.shape.n_q_heads);
  visit("n_kv_heads", info.shape.n_kv_heads);
  visit("head_dim", info.shape.head_dim);
  visit("vocab_size", info.vocab_size);
  visit("rope_theta", info.rope_theta);
  visit("rope_layout", info.rope_layout);
  visit("rope_scaling", info.rope_scaling);
  visit("n_prompt", info.n_prompt);
  visit("prompt_sha256", info.prompt_sha256);
  visit("first_row", info.first_row);
  visit("prompt_window", info.prompt_window);
  visit("compute_dtype", info.compute_dtype);
  visit("qkv_dtype", info.qkv_dtype);
  visit("attention_dtype", info.attention_dtype);
  visit("device", info.device);
  visit("attention_kernel", info.attention_kernel);
  visit("sampling", info.sampling);
  visit("seed", info.seed);
  visit(Optional{"imported"}, info.imported);
  visit("levels", info.levels);
  visit("epsilon", info.epsilon);
}

/// The sentence of what is wrong with the values, or "" when they can describe a trace.
std::string complaint(const TraceInfo& info) {
  const ModelShape& shape = info.shape;
  for (const auto& [name, value] : {std::pair{"n_layers", shape.n_layers},
                                    {"n_q_heads", shape.n_q_heads},
                                    {"n_kv_heads", shape.n_kv_heads},
                                    {"head_dim", shape.head_dim}}) {
    if (value == 0 || value > kMostHeads) {
      return fmt::format("attribute {} is {}, expected 1 to {}", name, value, kMostHeads);
    }
  }
  if (shape.n_q_heads % shape.n_kv_heads != 0) {
    return fmt::format("attribute n_q_heads is {}, expected a multiple of n_kv_heads {}", shape.n_q_heads,
                       shape.n_kv_heads);
  }
  const std::uint32_t first = info.n_prompt > info.prompt_window ? info.n_prompt - info.prompt_window : 0;
  if (info.first_row != first) {
    return fmt::format("attribute first_row is {}, expected {} (n_prompt {} - prompt_window {})", info.first_row, first,
                       info.n_prompt, info.prompt_window);
  }
  if (!(info.epsilon >= 0 && info.epsilon < 1)) {
    return fmt::format("attribute epsilon is {}, expected 0 or more and below 1", info.epsilon);
  }
  if (!std::isfinite(info.rope_theta)) return "attribute rope_theta is not finite";
  const std::vector<double>& rho = info.rho;
  const bool ascending = std::adjacent_find(rho.begin(), rho.end(), std::greater_equal<>()) == rho.end();
  if (rho.empty() || rho.size() > kMostRho || !ascending || !(rho.front() > 0) || !(rho.back() <= 1)) {
    return fmt::format("attribute rho: expected 1 to {} ascending values in (0, 1]", kMostRho);
  }
  return "";
}

struct Writer {
  hid_t file;
  void operator()(Optional attribute, const std::string& text) const {
    if (!text.empty()) write_text_attribute(file, attribute.name, text);
  }
  void operator()(const char* name, const std::string& text) const { write_text_attribute(file, name, text); }
  void operator()(const char* name, std::uint32_t value) const {
    write_number_attribute(file, name, H5T_STD_U32LE, H5T_NATIVE_UINT32, &value);
  }
  void operator()(const char* name, std::uint64_t value) const {
    write_number_attribute(file, name, H5T_STD_U64LE, H5T_NATIVE_UINT64, &value);
  }
  void operator()(const char* name, double value) const {
    write_number_attribute(file, name, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, &value);
  }
  void operator()(const char* name, FloatType type) const { write_text_attribute(file, name, to_string(type)); }
  void operator()(const char* name, const Levels& levels) const {
    write_text_attribute(file, name, levels.to_string());
  }
};

struct Reader {
  hid_t file;
  const fs::path& path;

  AttributeHandle open(const char* name, H5T_class_t expected, std::string_view word) const {
    const htri_t there = H5Aexists(file, name);
    if (there <= 0) throw WrongShape(fmt::format("{}: attribute {} is absent, expected {}", path.string(), name, word));
    AttributeHandle attribute(H5Aopen(file, name, H5P_DEFAULT));
    const TypeHandle type(H5Aget_type(attribute.get()));
    const SpaceHandle space(H5Aget_space(attribute.get()));
    const bool scalar = H5Sget_simple_extent_type(space.get()) == H5S_SCALAR;
    const bool fixed = expected != H5T_STRING || H5Tis_variable_str(type.get()) == 0;
    if (H5Tget_class(type.get()) != expected || !scalar || !fixed) {
      throw WrongShape(fmt::format("{}: attribute {} has another type, expected {}", path.string(), name, word));
    }
    return attribute;
  }
  template <class Value>
  void number(const char* name, H5T_class_t expected, hid_t memory_type, std::string_view word, Value& value) const {
    const AttributeHandle attribute = open(name, expected, word);
    check_hdf5(H5Aread(attribute.get(), memory_type, &value));
  }
  void operator()(Optional attribute, std::string& text) const {
    if (H5Aexists(file, attribute.name) > 0) (*this)(attribute.name, text);
  }
  void operator()(const char* name, std::string& text) const {
    const AttributeHandle attribute = open(name, H5T_STRING, "a fixed-length string");
    const TypeHandle type(H5Aget_type(attribute.get()));
    const std::size_t size = H5Tget_size(type.get());
    if (size == 0 || size > kMostText) {
      throw WrongShape(
          fmt::format("{}: attribute {} has {} bytes, expected 1 to {}", path.string(), name, size, kMostText));
    }
    text.resize(size);
    check_hdf5(H5Aread(attribute.get(), type.get(), text.data()));
    text.resize(std::min(text.find('\0'), text.size()));
  }
  void operator()(const char* name, std::int32_t& value) const {
    number(name, H5T_INTEGER, H5T_NATIVE_INT32, "an integer", value);
  }
  void operator()(const char* name, std::uint32_t& value) const {
    number(name, H5T_INTEGER, H5T_NATIVE_UINT32, "an integer", value);
  }
  void operator()(const char* name, std::uint64_t& value) const {
    number(name, H5T_INTEGER, H5T_NATIVE_UINT64, "an integer", value);
  }
  void operator()(const char* name, double& value) const {
    number(name, H5T_FLOAT, H5T_NATIVE_DOUBLE, "a real number", value);
  }
  void operator()(const char* name, FloatType& type) const { word(name, type, parse_float_type); }
  void operator()(const char* name, Levels& levels) const { word(name, levels, Levels::parse); }
  template <class Value, class Parse>
  void word(const char* name, Value& value, Parse&& parse) const {
    std::string text;
    (*this)(name, text);
    try {
      value = parse(text);
    } catch (const std::invalid_argument& error) {
      throw CorruptTrace(fmt::format("{}: attribute {}: {}", path.string(), name, error.what()));
    }
  }
};

struct Printer {
  std::vector<std::pair<std::string, std::string>>& out;
  void operator()(Optional attribute, const std::string& text) const {
    if (!text.empty()) out.emplace_back(attribute.name, text);
  }
  void operator()(const char* name, const std::string& text) const { out.emplace_back(name, text); }
  void operator()(const char* name, std::uint32_t value) const { out.emplace_back(name, fmt::to_string(value)); }
  void operator()(const char* name, std::uint64_t value) const { out.emplace_back(name, fmt::to_string(value)); }
  void operator()(const char* name, double value) const { out.emplace_back(name, fmt::format("{:.17g}", value)); }
  void operator()(const char* name, FloatType type) const { out.emplace_back(name, to_string(type)); }
  void operator()(const char* name, const Levels& levels) const { out.emplace_back(name, levels.to_string()); }
};

}  // namespace

TraceInfo checked_info(TraceInfo info) {
  if (info.command_line.size() > kMostText) {
    info.command_line.resize(kMostText - 3);
    info.command_line += "...";
  }
  std::string problem = complaint(info);
  if (info.levels == Levels{false, false, false, false}) problem = "attribute levels is empty";
  std::vector<std::pair<std::string, std::string>> printed;
  each_attribute(info, Printer{printed});
  for (const auto& [name, value] : printed) {
    if (value.size() > kMostText) problem = fmt::format("attribute {} is longer than {} bytes", name, kMostText);
  }
  if (!problem.empty()) throw std::invalid_argument("trace cannot be described: " + problem);
  return info;
}

void write_text_attribute(hid_t object, const char* name, std::string_view text) {
  const TypeHandle type = string_type(std::max<std::size_t>(1, text.size()));
  const std::string padded = text.empty() ? std::string(1, '\0') : std::string(text);
  write_number_attribute(object, name, type.get(), type.get(), padded.data());
}

void write_number_attribute(hid_t object, const char* name, hid_t file_type, hid_t memory_type, const void* value) {
  const SpaceHandle space(H5Screate(H5S_SCALAR));
  const AttributeHandle attribute(H5Acreate2(object, name, file_type, space.get(), H5P_DEFAULT, H5P_DEFAULT));
  check_hdf5(H5Awrite(attribute.get(), memory_type, value));
}

void write_list_attribute(hid_t object, const char* name, std::span<const double> values) {
  const hsize_t count = values.size();
  const SpaceHandle space(H5Screate_simple(1, &count, nullptr));
  const AttributeHandle attribute(H5Acreate2(object, name, H5T_IEEE_F64LE, space.get(), H5P_DEFAULT, H5P_DEFAULT));
  check_hdf5(H5Awrite(attribute.get(), H5T_NATIVE_DOUBLE, values.data()));
}

void write_root_attributes(hid_t file, const TraceInfo& info) {
  write_text_attribute(file, "format", kFormatName);
  write_number_attribute(file, "format_version", H5T_STD_I32LE, H5T_NATIVE_INT32, &info.format_version);
  each_attribute(info, Writer{file});
}

TraceInfo read_root_attributes(hid_t file, const fs::path& path) {
  const Reader read{file, path};
  std::string format;
  try {
    read("format", format);
  } catch (const WrongShape&) {
    throw NotATrace(fmt::format("{}: is HDF5, but not a trace: no attribute 'format'", path.string()));
  }
  if (format != kFormatName) {
    throw NotATrace(
        fmt::format("{}: is not a trace: format is '{}', expected '{}'", path.string(), format, kFormatName));
  }
  TraceInfo info;
  read("format_version", info.format_version);
  if (info.format_version > kFormatVersion) {
    throw NewerVersion(fmt::format("{}: trace format {} is newer than {}, the newest this program reads", path.string(),
                                   info.format_version, kFormatVersion));
  }
  if (info.format_version < 1) {
    throw CorruptTrace(
        fmt::format("{}: attribute format_version is {}, expected 1", path.string(), info.format_version));
  }
  each_attribute(info, read);
  if (const std::string problem = complaint(info); !problem.empty()) {
    throw CorruptTrace(fmt::format("{}: {}", path.string(), problem));
  }
  return info;
}

std::vector<double> read_rho(hid_t dataset, const fs::path& path) {
  if (H5Aexists(dataset, "rho") <= 0) {
    throw WrongShape(fmt::format("{}: attribute rho of /stats is absent, expected a list of numbers", path.string()));
  }
  const AttributeHandle attribute(H5Aopen(dataset, "rho", H5P_DEFAULT));
  const TypeHandle type(H5Aget_type(attribute.get()));
  const SpaceHandle space(H5Aget_space(attribute.get()));
  const hssize_t count = H5Sget_simple_extent_npoints(space.get());
  if (H5Tget_class(type.get()) != H5T_FLOAT || count < 1 || count > static_cast<hssize_t>(kMostRho)) {
    throw WrongShape(
        fmt::format("{}: attribute rho has {} values, expected 1 to {} reals", path.string(), count, kMostRho));
  }
  TraceInfo info;
  info.shape = {1, 1, 1, 1};
  info.rho.assign(static_cast<std::size_t>(count), 0.0);
  check_hdf5(H5Aread(attribute.get(), H5T_NATIVE_DOUBLE, info.rho.data()));
  if (const std::string problem = complaint(info); !problem.empty()) {
    throw CorruptTrace(fmt::format("{}: {}", path.string(), problem));
  }
  return info.rho;
}

std::vector<std::pair<std::string, std::string>> describing_attributes(const TraceInfo& info) {
  std::vector<std::pair<std::string, std::string>> printed;
  each_attribute(info, Printer{printed});
  std::erase_if(printed, [](const auto& entry) {
    return entry.first == "program_version" || entry.first == "program_commit" || entry.first == "command_line";
  });
  return printed;
}

}  // namespace kvwave::traces
