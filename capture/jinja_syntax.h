// The parsed form of a Jinja template.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "capture/jinja_value.h"

namespace kvwave::capture::jinja {

enum class NodeKind {
  // Expressions; children in the order they are written.
  literal,      ///< value
  name,         ///< text
  list,         ///< items (tuples too)
  dict,         ///< key, value, key, value ...
  attribute,    ///< object; text = the name
  subscript,    ///< object, key
  slice,        ///< object, from, to, step; an absent one is a literal None
  call,         ///< callee, then arguments
  keyword,      ///< an argument: text = its name; value
  filter,       ///< input, then arguments; text = the filter
  test,         ///< input, then arguments; text = the test
  unary,        ///< text = "not", "-" or "+"; operand
  binary,       ///< text = operator; left, right
  comparison,   ///< left, then pairs of operator (literal text) and operand
  conditional,  ///< condition, then, else
  // Statements.
  sequence,       ///< statements
  write_text,     ///< text
  write_value,    ///< expression
  branch,         ///< condition, body, condition, body, ..., and possibly a last body
  loop,           ///< names = targets; iterable, filter (literal None: none), body, else body
  set,            ///< names = targets; value
  set_attribute,  ///< text = name, names[0] = attribute; value
  set_block,      ///< text = name; body
  macro,          ///< text = name, names = parameters; a default for each (undefined literal: none), then the body
  break_loop,
  continue_loop,
};

struct Node {
  NodeKind kind = NodeKind::literal;
  int line = 1;
  std::string text = {};
  std::vector<std::string> names = {};
  Value value = {};
  std::vector<Node> children = {};
};

/// Throws UnsupportedTemplate naming line and construct: what is no Jinja, what kvwave does not evaluate, or nests
/// deeper than 100 levels.
Node parse(std::string_view source);

}  // namespace kvwave::capture::jinja
