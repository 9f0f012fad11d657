#include <string>

#include "traces/array_file.h"

namespace kvwave::traces {
namespace {

void copy_dataset(const ArrayFileReader& from, const std::string& name, ArrayFileWriter& to,
                  const std::string& target) {
  const std::vector<std::uint64_t> shape = from.shape(name);
  switch (from.type(name)) {
    case ArrayType::f32:
      return to.write(target, shape, from.floats(name));
    case ArrayType::f64:
      return to.write(target, shape, from.doubles(name));
    case ArrayType::i32:
      return to.write(target, shape, from.ints(name));
    case ArrayType::u32:
      return to.write(target, shape, from.uints(name));
    case ArrayType::text:
      return to.write(target, from.strings(name));
  }
}

void copy_attributes(const ArrayFileReader& from, const std::string& name, ArrayFileWriter& to,
                     const std::string& target) {
  for (const ArrayAttribute& attribute : from.attributes(name)) {
    if (const auto* text = std::get_if<std::string>(&attribute.value)) {
      to.attribute(target, attribute.name, std::string_view(*text));
    } else if (const auto* real = std::get_if<double>(&attribute.value)) {
      to.attribute(target, attribute.name, *real);
    } else if (const auto* whole = std::get_if<std::int64_t>(&attribute.value)) {
      to.attribute(target, attribute.name, *whole);
    } else {
      to.attribute(target, attribute.name, std::span<const double>(std::get<std::vector<double>>(attribute.value)));
    }
  }
}

}  // namespace

void copy_arrays(const ArrayFileReader& from, const std::string& from_group, ArrayFileWriter& to,
                 const std::string& to_group) {
  for (const std::string& child : from.children(from_group)) {
    const std::string name = from_group + "/" + child, target = to_group + "/" + child;
    if (from.is_group(name)) {
      copy_arrays(from, name, to, target);
    } else {
      copy_dataset(from, name, to, target);
      copy_attributes(from, name, to, target);
    }
  }
  copy_attributes(from, from_group, to, to_group);
}

}  // namespace kvwave::traces
