// A small HDF5 file of named arrays and attributes: the container of results.h5. The file appears whole or not at all
// (temporary name, then rename). No object times are stored, so equal content gives equal bytes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace kvwave::traces {

class ArrayFileWriter {
 public:
  /// Throws OutputExists (unless overwrite) or OutputFailed.
  ArrayFileWriter(const std::filesystem::path& path, bool overwrite);
  ~ArrayFileWriter();  ///< removes the temporary file when commit() was not reached
  ArrayFileWriter(const ArrayFileWriter&) = delete;
  ArrayFileWriter& operator=(const ArrayFileWriter&) = delete;

  using Shape = std::span<const std::uint64_t>;
  /// Creates intermediate groups; product of shape must equal values.size(). `compress`: shuffle + deflate.
  void write(std::string_view name, Shape shape, std::span<const float> values, bool compress = true);
  void write(std::string_view name, Shape shape, std::span<const double> values, bool compress = true);
  void write(std::string_view name, Shape shape, std::span<const std::int32_t> values, bool compress = true);
  void write(std::string_view name, Shape shape, std::span<const std::uint32_t> values, bool compress = true);
  void write(std::string_view name, std::span<const std::string> values);  ///< [n] fixed-length UTF-8
  /// Attributes on an existing object; "/" is the root.
  void attribute(std::string_view object, std::string_view name, std::string_view value);
  void attribute(std::string_view object, std::string_view name, double value);
  void attribute(std::string_view object, std::string_view name, std::int64_t value);
  void attribute(std::string_view object, std::string_view name, std::span<const double> values);

  /// Closes, syncs and renames into place. Throws OutputFailed.
  void commit();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// What an ArrayFileWriter can write.
enum class ArrayType { f32, f64, i32, u32, text };

struct ArrayAttribute {
  std::string name;
  std::variant<std::string, double, std::int64_t, std::vector<double>> value;
};

/// Reads what ArrayFileWriter wrote; all sizes are checked against the file before memory is taken.
class ArrayFileReader {
 public:
  explicit ArrayFileReader(const std::filesystem::path& path);  ///< throws NotATrace, TruncatedTrace
  ~ArrayFileReader();
  ArrayFileReader(ArrayFileReader&&) noexcept;

  bool has(std::string_view name) const;
  std::vector<std::string> children(std::string_view group) const;  ///< names in ascending order
  std::vector<std::uint64_t> shape(std::string_view name) const;    ///< throws WrongShape when absent
  std::vector<float> floats(std::string_view name) const;
  std::vector<double> doubles(std::string_view name) const;
  std::vector<std::int32_t> ints(std::string_view name) const;
  std::vector<std::uint32_t> uints(std::string_view name) const;
  std::vector<std::string> strings(std::string_view name) const;
  bool is_group(std::string_view name) const;
  ArrayType type(std::string_view name) const;  ///< throws WrongShape when absent or of no ArrayType
  /// By ascending name. Throws WrongShape for one that ArrayFileWriter does not write.
  std::vector<ArrayAttribute> attributes(std::string_view object) const;
  std::string text_attribute(std::string_view object, std::string_view name) const;
  double number_attribute(std::string_view object, std::string_view name) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// Copies a group with everything in it, in ascending order of names, as if it were written anew: the bytes of `to`
/// depend on values alone, not on the history of `from`. Throws as reader and writer do.
void copy_arrays(const ArrayFileReader& from, const std::string& from_group, ArrayFileWriter& to,
                 const std::string& to_group);

}  // namespace kvwave::traces
