#include "capture/jinja_evaluator.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "capture/error.h"
#include "capture/jinja_builtins.h"
#include "capture/jinja_operators.h"
#include "capture/printable.h"

namespace kvwave::capture::jinja {
namespace {

constexpr int kDeepestCalls = 64;
constexpr int kDeepestNesting = 300;  // of statements and expressions in all calls together: they nest on the stack
constexpr std::int64_t kLongestRange = 100'000;

/// How a statement ended: on its own, or by a word that leaves the loop's body.
enum class Flow { onward, leave, again };

class Evaluator {
 public:
  explicit Evaluator(const Dict& variables) {
    scopes_.emplace_back();
    for (const auto& [name, value] : variables.items) scopes_.front()[name] = value;
  }

  std::string run(const Node& program) {
    try {
      execute(program);
    } catch (const Refusal& refusal) {  // from a place that writes a value without a line of its own
      throw UnsupportedTemplate(fmt::format("chat template: {}", refusal.what));
    }
    return std::move(out_);
  }

 private:
  using Scope = std::map<std::string, Value, std::less<>>;

  [[noreturn]] static void fail(const Node& node, const std::string& what) {
    throw UnsupportedTemplate(fmt::format("chat template, line {}: {}", node.line, what));
  }
  /// Runs a rule of builtins or operators and gives its refusals the line.
  template <typename Rule>
  static auto at(const Node& node, const Rule& rule) {
    try {
      return rule();
    } catch (const Refusal& refusal) {
      fail(node, refusal.what);
    }
  }
  void count_steps(const Node& node, std::size_t n) {
    at(node, [&] { budget_.spend(n); });
  }

  void write(const Node& node, std::string_view text) {
    out_ += text;
    if (out_.size() > kLongestText) fail(node, "more than 64 MiB of text");
  }

  void write_value(const Node& node, const Value& value) {
    write(node, at(node, [&] { return value.to_text(); }));
  }

  /// Counts how deep the program is in itself.
  class Nested {
   public:
    Nested(Evaluator& evaluator, const Node& node) : depth_(evaluator.depth_) {
      if (depth_ >= kDeepestNesting) fail(node, fmt::format("statements and expressions {} deep", kDeepestNesting));
      ++depth_;
    }
    ~Nested() { --depth_; }
    Nested(const Nested&) = delete;
    Nested& operator=(const Nested&) = delete;

   private:
    int& depth_;
  };

  Flow execute(const Node& node) {
    const Nested nested(*this, node);
    count_steps(node, 1);
    switch (node.kind) {
      case NodeKind::sequence:
        for (const Node& statement : node.children) {
          if (const Flow flow = execute(statement); flow != Flow::onward) return flow;
        }
        return Flow::onward;
      case NodeKind::write_text:
        write(node, node.text);
        return Flow::onward;
      case NodeKind::write_value:
        write_value(node, evaluate(node.children.front()));
        return Flow::onward;
      case NodeKind::branch:
        return execute_branch(node);
      case NodeKind::loop:
        return execute_loop(node);
      case NodeKind::set:
        assign(node, node.names, evaluate(node.children.front()));
        return Flow::onward;
      case NodeKind::set_attribute:
        set_attribute(node);
        return Flow::onward;
      case NodeKind::set_block:
        scopes_.back()[node.text] = captured(node.children.front());
        return Flow::onward;
      case NodeKind::macro:
        scopes_.back()[node.text] = Value::macro(&node);
        return Flow::onward;
      case NodeKind::break_loop:
        return Flow::leave;
      case NodeKind::continue_loop:
        return Flow::again;
      default:
        fail(node, "an expression where a statement is needed");
    }
  }

  Flow execute_branch(const Node& node) {
    std::size_t i = 0;
    for (; i + 1 < node.children.size(); i += 2) {
      if (evaluate(node.children[i]).truth()) return execute(node.children[i + 1]);
    }
    return i < node.children.size() ? execute(node.children[i]) : Flow::onward;
  }

  void assign(const Node& node, const std::vector<std::string>& names, const Value& value) {
    if (names.size() == 1) {
      scopes_.back()[names.front()] = value;
      return;
    }
    const List items = at(node, [&] { return iterate(value); });
    if (items.size() != names.size()) fail(node, fmt::format("{} values for {} names", items.size(), names.size()));
    for (std::size_t i = 0; i < names.size(); ++i) scopes_.back()[names[i]] = items[i];
  }

  void set_attribute(const Node& node) {
    Value value = evaluate(node.children.front());
    Dict* target = lookup(node.text).changeable_dict();
    if (target == nullptr) fail(node, fmt::format("'{}' is no namespace, whose attributes could be set", node.text));
    target->set(node.names.front(), std::move(value));
  }

  Flow execute_loop(const Node& node) {
    const List all = at(node, [&] { return iterate(evaluate(node.children[0])); });
    const Node& filter = node.children[1];
    const bool filters = filter.kind != NodeKind::literal;
    List items;
    for (const Value& item : all) {
      if (filters) {
        scopes_.emplace_back();
        assign(node, node.names, item);
        const bool keeps = evaluate(filter).truth();
        scopes_.pop_back();
        if (!keeps) continue;
      }
      items.push_back(item);
    }
    if (items.empty()) return execute(node.children[3]);
    for (std::size_t i = 0; i < items.size(); ++i) {
      scopes_.emplace_back();
      assign(node, node.names, items[i]);
      scopes_.back()["loop"] = loop_variable(items, i);
      const Flow flow = execute(node.children[2]);
      scopes_.pop_back();
      if (flow == Flow::leave) break;
    }
    return Flow::onward;
  }

  static Value loop_variable(const List& items, std::size_t i) {
    const auto number = [](std::size_t n) { return Value(static_cast<std::int64_t>(n)); };
    const std::size_t n = items.size();
    Dict loop;
    loop.items = {
        {"index", number(i + 1)},         {"index0", number(i)},    {"revindex", number(n - i)}, {"length", number(n)},
        {"revindex0", number(n - i - 1)}, {"first", Value(i == 0)}, {"last", Value(i + 1 == n)}};
    loop.set("previtem", i == 0 ? Value(Undefined{"loop.previtem"}) : items[i - 1]);
    loop.set("nextitem", i + 1 == n ? Value(Undefined{"loop.nextitem"}) : items[i + 1]);
    return loop;
  }

  // What a body writes, as a value.
  Value captured(const Node& body) {
    std::string before = std::exchange(out_, {});
    execute(body);
    return std::exchange(out_, std::move(before));
  }

  Value lookup(const std::string& name) const {
    for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
      if (const auto found = scope->find(name); found != scope->end()) return found->second;
    }
    return Undefined{name};
  }

  // A value is paid for whenever it is made or fetched, so whatever is then done with it is bounded too.
  Value evaluate(const Node& node) {
    const Nested nested(*this, node);
    Value value = evaluate_unpaid(node);
    count_steps(node, value.weight());
    return value;
  }

  Value evaluate_unpaid(const Node& node) {
    switch (node.kind) {
      case NodeKind::literal:
        return node.value;
      case NodeKind::name:
        return lookup(node.text);
      case NodeKind::list: {
        List items;
        for (const Node& child : node.children) items.push_back(evaluate(child));
        return items;
      }
      case NodeKind::dict: {
        Dict dict;
        for (std::size_t i = 0; i < node.children.size(); i += 2) {
          dict.set(evaluate(node.children[i]).to_text(), evaluate(node.children[i + 1]));
        }
        return dict;
      }
      case NodeKind::attribute: {
        const Value object = evaluate(node.children.front());
        return at(node, [&] { return get_attribute(object, node.text); });
      }
      case NodeKind::subscript: {
        const Value object = evaluate(node.children[0]);
        const Value key = evaluate(node.children[1]);
        return at(node, [&] { return get_item(object, key); });
      }
      case NodeKind::slice: {
        const Value object = evaluate(node.children[0]);
        const Value from = evaluate(node.children[1]), to = evaluate(node.children[2]),
                    step = evaluate(node.children[3]);
        return at(node, [&] { return slice(object, from, to, step); });
      }
      case NodeKind::call:
        return call(node);
      case NodeKind::filter: {
        const Value input = evaluate(node.children.front());
        const Arguments arguments = evaluate_arguments(node);
        return at(node, [&] { return apply_filter(node.text, input, arguments); });
      }
      case NodeKind::test: {
        const Value input = evaluate(node.children.front());
        const Arguments arguments = evaluate_arguments(node);
        return at(node, [&] { return Value(apply_test(node.text, input, arguments)); });
      }
      case NodeKind::unary: {
        const Value operand = evaluate(node.children.front());
        if (node.text == "not") return !operand.truth();
        return at(node, [&] { return signed_number(node.text, operand); });
      }
      case NodeKind::binary:
        return binary(node);
      case NodeKind::comparison:
        return comparison(node);
      case NodeKind::conditional:
        return evaluate(node.children[evaluate(node.children[0]).truth() ? 1 : 2]);
      default:
        fail(node, "a statement where an expression is needed");
    }
  }

  Value binary(const Node& node) {
    Value left = evaluate(node.children[0]);
    if (node.text == "and") return left.truth() ? evaluate(node.children[1]) : left;
    if (node.text == "or") return left.truth() ? left : evaluate(node.children[1]);
    const Value right = evaluate(node.children[1]);
    return at(node, [&] { return combine(node.text, left, right); });
  }

  Value comparison(const Node& node) {
    Value left = evaluate(node.children[0]);
    for (std::size_t i = 1; i + 1 < node.children.size(); i += 2) {
      Value right = evaluate(node.children[i + 1]);
      const bool holds = at(node, [&] { return compare(node.children[i].value.to_text(), left, right); });
      if (!holds) return false;
      left = std::move(right);
    }
    return true;
  }

  // children[0] is what is called or filtered.
  Arguments evaluate_arguments(const Node& node) {
    Arguments arguments;
    arguments.budget = &budget_;
    for (std::size_t i = 1; i < node.children.size(); ++i) {
      const Node& child = node.children[i];
      if (child.kind == NodeKind::keyword) {
        arguments.named.emplace_back(child.text, evaluate(child.children.front()));
      } else {
        arguments.positional.push_back(evaluate(child));
      }
    }
    return arguments;
  }

  Value call(const Node& node) {
    const Node& callee = node.children.front();
    if (callee.kind == NodeKind::attribute) {
      const Value object = evaluate(callee.children.front());
      const Arguments arguments = evaluate_arguments(node);
      return at(node, [&] { return call_method(object, callee.text, arguments); });
    }
    const Value target = evaluate(callee);
    const Arguments arguments = evaluate_arguments(node);
    if (const Node* macro = target.macro_definition()) return call_macro(node, *macro, arguments);
    if (callee.kind == NodeKind::name && target.is_undefined()) return call_function(node, callee.text, arguments);
    fail(node, fmt::format("a call of a {}", target.type_name()));
  }

  Value call_function(const Node& node, const std::string& name, const Arguments& arguments) {
    if (name == "raise_exception") {
      const Value* words = arguments.find(0, "message");
      throw BadPrompt(fmt::format("the model's chat template refuses: {}",
                                  printable(words == nullptr ? std::string() : words->to_text())));
    }
    if (name == "namespace" || name == "dict") {
      Dict dict;
      for (const auto& [key, value] : arguments.named) dict.set(key, value);
      dict.is_namespace = name == "namespace";
      return dict;
    }
    if (name == "range") return range(node, arguments);
    fail(node, fmt::format("function '{}', which kvwave does not know", name));
  }

  static Value range(const Node& node, const Arguments& a) {
    return at(node, [&]() -> Value {
      const bool one = a.positional.size() == 1;
      const std::int64_t from = one ? 0 : a.integer(0, "", 0), to = a.integer(one ? 0 : 1, "", 0);
      const std::int64_t step = a.integer(2, "", 1);
      List items;
      if (step == 0) throw Refusal{"a range with step 0"};
      for (std::int64_t i = from; step > 0 ? i < to : i > to;) {
        if (static_cast<std::int64_t>(items.size()) >= kLongestRange)
          throw Refusal{"a range of more than 100000 items"};
        items.emplace_back(i);
        if (__builtin_add_overflow(i, step, &i)) break;
      }
      return items;
    });
  }

  Value call_macro(const Node& node, const Node& macro, const Arguments& arguments) {
    if (++calls_ > kDeepestCalls) fail(node, fmt::format("macros called {} deep", kDeepestCalls));
    if (arguments.positional.size() > macro.names.size()) {
      fail(node, fmt::format("macro '{}' called with {} arguments, it takes {}", macro.text,
                             arguments.positional.size(), macro.names.size()));
    }
    Scope scope;
    for (std::size_t i = 0; i < macro.names.size(); ++i) {
      const Value* given = arguments.find(i, macro.names[i]);
      scope[macro.names[i]] = given != nullptr ? *given : evaluate(macro.children[i]);
    }
    // A macro sees the template's own variables, not those of the place it is called from.
    std::vector<Scope> caller(std::make_move_iterator(scopes_.begin() + 1), std::make_move_iterator(scopes_.end()));
    scopes_.resize(1);
    scopes_.push_back(std::move(scope));
    Value result = captured(macro.children.back());
    scopes_.resize(1);
    for (Scope& each : caller) scopes_.push_back(std::move(each));
    --calls_;
    return result;
  }

  std::vector<Scope> scopes_;
  std::string out_;
  Budget budget_;
  int calls_ = 0, depth_ = 0;
};

}  // namespace

std::string render(const Node& program, const Dict& variables) {
  return Evaluator(variables).run(program);
}

}  // namespace kvwave::capture::jinja
