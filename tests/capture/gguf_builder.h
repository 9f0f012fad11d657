// Writes small GGUF files for tests, good ones and broken ones. Written from the format's description, not from the
// reader, so that both are checked.
#pragma once

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace kvwave::capture::testing {

template <typename T>
std::string little_endian(T number) {
  std::string bytes(sizeof number, '\0');
  std::memcpy(bytes.data(), &number, sizeof number);
  return bytes;
}
inline std::string gguf_string(const std::string& text) {
  return little_endian<std::uint64_t>(text.size()) + text;
}

struct BuiltTensor {
  std::string name;
  std::vector<std::uint64_t> shape;  ///< first extent varies fastest
  std::uint32_t type = 0;            ///< the file's number of the type: 0 F32, 1 F16, 2 Q4_0, 3 Q4_1, 8 Q8_0, ...
  std::string bytes;
  std::int64_t offset = -1;  ///< in the data section; -1 = behind the tensor before
};

/// Everything is public: a test that wants a broken file changes what it likes before build().
struct GgufBuilder {
  std::uint32_t version = 3;
  std::uint64_t alignment = 32;                             ///< of the data section; put into the file only by a key
  std::vector<std::pair<std::string, std::string>> values;  ///< key, type number and value as in the file
  std::vector<BuiltTensor> tensors;
  std::uint64_t extra_tensors = 0, extra_keys = 0;  ///< added to the counts in the header

  void set_raw(const std::string& key, std::uint32_t type, const std::string& value) {
    remove(key);
    values.emplace_back(key, little_endian(type) + value);
  }
  void set_u32(const std::string& key, std::uint32_t value) { set_raw(key, 4, little_endian(value)); }
  void set_f32(const std::string& key, float value) { set_raw(key, 6, little_endian(value)); }
  void set_bool(const std::string& key, bool value) { set_raw(key, 7, std::string(1, value ? '\1' : '\0')); }
  void set_string(const std::string& key, const std::string& value) { set_raw(key, 8, gguf_string(value)); }
  void set_strings(const std::string& key, const std::vector<std::string>& all) {
    std::string value = little_endian<std::uint32_t>(8) + little_endian<std::uint64_t>(all.size());
    for (const std::string& text : all) value += gguf_string(text);
    set_raw(key, 9, value);
  }
  void set_i32s(const std::string& key, const std::vector<std::int32_t>& all) {
    std::string value = little_endian<std::uint32_t>(5) + little_endian<std::uint64_t>(all.size());
    for (const std::int32_t number : all) value += little_endian(number);
    set_raw(key, 9, value);
  }
  void remove(const std::string& key) {
    std::erase_if(values, [&](const auto& pair) { return pair.first == key; });
  }

  void add_tensor(const std::string& name, std::vector<std::uint64_t> shape, std::uint32_t type, std::string bytes) {
    tensors.push_back({name, std::move(shape), type, std::move(bytes), -1});
  }
  BuiltTensor& tensor(const std::string& name) {
    for (BuiltTensor& t : tensors) {
      if (t.name == name) return t;
    }
    throw std::out_of_range("no tensor " + name);
  }
  void remove_tensor(const std::string& name) {
    std::erase_if(tensors, [&](const BuiltTensor& t) { return t.name == name; });
  }

  std::string build() const {
    std::string out = "GGUF" + little_endian(version) + little_endian<std::uint64_t>(tensors.size() + extra_tensors) +
                      little_endian<std::uint64_t>(values.size() + extra_keys);
    for (const auto& [key, value] : values) out += gguf_string(key) + value;
    std::string data;
    for (const BuiltTensor& t : tensors) {
      const std::uint64_t offset = t.offset >= 0 ? static_cast<std::uint64_t>(t.offset) : padded(data.size());
      out += gguf_string(t.name) + little_endian(static_cast<std::uint32_t>(t.shape.size()));
      for (const std::uint64_t extent : t.shape) out += little_endian(extent);
      out += little_endian(t.type) + little_endian(offset);
      if (t.offset >= 0) continue;  // a made-up place: the bytes are not written
      data.resize(offset);
      data += t.bytes;
    }
    out.resize(padded(out.size()));
    return out + data;
  }
  void write(const std::filesystem::path& path) const {
    const std::string bytes = build();
    std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }

 private:
  std::uint64_t padded(std::uint64_t size) const { return (size + alignment - 1) / alignment * alignment; }
};

}  // namespace kvwave::capture::testing
