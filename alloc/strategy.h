// A strategy = allocator + scorer + parameters, written `ALLOCATOR[:key=value,...]/SCORER[:key=value,...]`, for example
// `uniform/rkv` or `reasonalloc:gamma=0.5,mu=0.25/rkv:lambda=0.1`. `full` alone is the full cache.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "alloc/registry.h"

namespace kvwave::alloc {

/// One half of a strategy with every parameter resolved (defaults filled in).
struct Component {
  std::string name;
  std::map<std::string, std::string, std::less<>> values;  ///< key -> canonical text, one per declared parameter

  double real(std::string_view key) const;
  int integer(std::string_view key) const;
  const std::string& word(std::string_view key) const;
  bool operator==(const Component&) const = default;
};

struct Strategy {
  Component allocator;  ///< name "full" = the full cache; then scorer.name is empty
  Component scorer;

  bool is_full() const { return allocator.name == "full"; }
  bool operator==(const Strategy&) const = default;

  /// Throws BadStrategy. Keys in any order; doubled keys are refused.
  static Strategy parse(std::string_view text);
  /// Every parameter written out, in declared order; parse(full_text()) == *this.
  std::string full_text() const;
  /// Only parameters that differ from their default (or from what another parameter implies: Preset);
  /// parse(short_text()) == *this.
  std::string short_text() const;
};

}  // namespace kvwave::alloc
