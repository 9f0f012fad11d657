#include "capture/architecture.h"

#include <array>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "capture/error.h"
#include "capture/printable.h"

namespace kvwave::capture {

std::span<const Architecture* const> architectures() {
  static const std::array<const Architecture*, 4> kAll = {&kLlama, &kMistral, &kQwen2, &kQwen3};
  return kAll;
}

const Architecture& find_architecture(std::string_view name, std::string_view source) {
  std::vector<std::string_view> names;
  for (const Architecture* architecture : architectures()) {
    if (architecture->name == name) return *architecture;
    names.push_back(architecture->name);
  }
  throw UnsupportedModel(fmt::format("{}: architecture {} is not known; known architectures: {}", source,
                                     printable(name), fmt::join(names, ", ")));
}

}  // namespace kvwave::capture
