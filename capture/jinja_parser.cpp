#include <algorithm>
#include <array>
#include <cstdlib>
#include <initializer_list>
#include <utility>

#include <fmt/format.h>

#include "capture/error.h"
#include "capture/jinja_lexer.h"
#include "capture/jinja_syntax.h"
#include "capture/printable.h"

namespace kvwave::capture::jinja {
namespace {

constexpr int kDeepest = 100;

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  Node run() {
    Node program = statements({});
    if (here().kind != TokenKind::end) fail("a statement without its beginning");
    return program;
  }

 private:
  /// Counts how deep the parser is in itself.
  class Level {
   public:
    explicit Level(Parser& parser) : parser_(parser) {
      if (++parser_.depth_ > kDeepest) parser_.fail(fmt::format("nested deeper than {} levels", kDeepest));
    }
    ~Level() { --parser_.depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    Parser& parser_;
  };

  [[noreturn]] void fail(const std::string& what) const {
    throw UnsupportedTemplate(fmt::format("chat template, line {}: {}", here().line, what));
  }

  const Token& here() const { return tokens_[at_]; }
  const Token& next() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  Token take() {
    Token token = here();
    if (token.kind != TokenKind::end) ++at_;
    return token;
  }
  bool is_sign(std::string_view sign) const { return here().kind == TokenKind::sign && here().text == sign; }
  bool is_name(std::string_view name) const { return here().kind == TokenKind::name && here().text == name; }
  bool accept_sign(std::string_view sign) {
    if (!is_sign(sign)) return false;
    take();
    return true;
  }
  bool accept_name(std::string_view name) {
    if (!is_name(name)) return false;
    take();
    return true;
  }
  void need_sign(std::string_view sign) {
    if (!accept_sign(sign)) fail(fmt::format("expected '{}', got {}", sign, printable(here().text)));
  }
  void need(TokenKind kind, std::string_view what) {
    if (here().kind != kind) fail(fmt::format("expected {}, got {}", what, printable(here().text)));
    take();
  }
  std::string need_name() {
    if (here().kind != TokenKind::name) fail(fmt::format("expected a name, got {}", printable(here().text)));
    return take().text;
  }
  Node node(NodeKind kind, std::string text = {}) const {
    return {.kind = kind, .line = here().line, .text = std::move(text)};
  }
  Node literal(Value value) const {
    Node result = node(NodeKind::literal);
    result.value = std::move(value);
    return result;
  }

  // Statements up to one of the words that end them, whose tag is left open: the word is the next token.
  Node statements(std::initializer_list<std::string_view> ends) {
    const Level level(*this);
    Node result = node(NodeKind::sequence);
    while (here().kind != TokenKind::end) {
      if (here().kind == TokenKind::text) {
        Node text = node(NodeKind::write_text);
        text.text = take().text;
        result.children.push_back(std::move(text));
      } else if (here().kind == TokenKind::begin_write) {
        Node write = node(NodeKind::write_value);
        take();
        write.children.push_back(expression_list());
        need(TokenKind::end_write, "the end of a tag");
        result.children.push_back(std::move(write));
      } else {
        take();
        const std::string word = here().text;
        if (std::find(ends.begin(), ends.end(), word) != ends.end()) return result;
        statement(result);
      }
    }
    if (ends.size() > 0) fail(fmt::format("the template ends before '{}'", *ends.begin()));
    return result;
  }

  void end_block() { need(TokenKind::end_block, "the end of a tag"); }

  void statement(Node& program) {
    const std::string word = need_name();
    if (word == "if") return program.children.push_back(branch());
    if (word == "for") return program.children.push_back(loop());
    if (word == "set") return program.children.push_back(assignment());
    if (word == "macro") return program.children.push_back(macro());
    if (word == "break" || word == "continue") {
      program.children.push_back(node(word == "break" ? NodeKind::break_loop : NodeKind::continue_loop));
      return end_block();
    }
    if (word == "generation") {  // marks the assistant's text for training, writes it as it is
      end_block();
      program.children.push_back(statements({"endgeneration"}));
      take();
      return end_block();
    }
    fail(fmt::format("statement '{}', which kvwave does not evaluate", word));
  }

  Node branch() {
    Node result = node(NodeKind::branch);
    while (true) {
      result.children.push_back(expression());
      end_block();
      result.children.push_back(statements({"endif", "else", "elif"}));
      const std::string word = take().text;
      if (word == "elif") continue;
      if (word == "else") {
        end_block();
        result.children.push_back(statements({"endif"}));
        take();
      }
      end_block();
      return result;
    }
  }

  std::vector<std::string> targets() {
    std::vector<std::string> names;
    const bool bracket = accept_sign("(");
    do {
      names.push_back(need_name());
    } while (accept_sign(","));
    if (bracket) need_sign(")");
    return names;
  }

  Node loop() {
    Node result = node(NodeKind::loop);
    result.names = targets();
    if (!accept_name("in")) fail("expected 'in' in a for statement");
    result.children.push_back(either());
    result.children.push_back(accept_name("if") ? expression() : literal(None{}));
    if (is_name("recursive")) fail("a recursive loop, which kvwave does not evaluate");
    end_block();
    result.children.push_back(statements({"endfor", "else"}));
    Node otherwise = node(NodeKind::sequence);
    if (take().text == "else") {
      end_block();
      otherwise = statements({"endfor"});
      take();
    }
    end_block();
    result.children.push_back(std::move(otherwise));
    return result;
  }

  Node assignment() {
    Node result = node(NodeKind::set);
    if (next().kind == TokenKind::sign && next().text == ".") {
      result.kind = NodeKind::set_attribute;
      result.text = need_name();
      take();
      result.names.push_back(need_name());
    } else {
      result.names = targets();
    }
    if (result.kind == NodeKind::set && here().kind == TokenKind::end_block && result.names.size() == 1) {
      end_block();
      result.kind = NodeKind::set_block;
      result.text = result.names.front();
      result.children.push_back(statements({"endset"}));
      take();
    } else {
      need_sign("=");
      result.children.push_back(expression_list());
    }
    end_block();
    return result;
  }

  Node macro() {
    Node result = node(NodeKind::macro);
    result.text = need_name();
    need_sign("(");
    while (!is_sign(")")) {
      result.names.push_back(need_name());
      result.children.push_back(accept_sign("=") ? expression() : literal(Undefined{result.names.back()}));
      if (!is_sign(")")) need_sign(",");
    }
    take();
    end_block();
    result.children.push_back(statements({"endmacro"}));
    take();
    if (here().kind == TokenKind::name) take();  // the macro's name may stand after endmacro
    end_block();
    return result;
  }

  // a, b is a tuple.
  Node expression_list() {
    Node first = expression();
    if (!is_sign(",")) return first;
    Node tuple = node(NodeKind::list);
    tuple.children.push_back(std::move(first));
    while (accept_sign(",")) tuple.children.push_back(expression());
    return tuple;
  }

  Node expression() {
    const Level level(*this);
    Node value = either();
    while (accept_name("if")) {
      Node result = node(NodeKind::conditional);
      Node condition = either();
      Node otherwise = accept_name("else") ? expression() : literal(Undefined{"an if without else"});
      result.children = {std::move(condition), std::move(value), std::move(otherwise)};
      value = std::move(result);
    }
    return value;
  }

  Node joined(std::string_view sign, Node left, Node right) const {
    Node result = node(NodeKind::binary, std::string(sign));
    result.children.push_back(std::move(left));
    result.children.push_back(std::move(right));
    return result;
  }

  Node either() {
    Node left = both();
    while (accept_name("or")) left = joined("or", std::move(left), both());
    return left;
  }
  Node both() {
    Node left = negation();
    while (accept_name("and")) left = joined("and", std::move(left), negation());
    return left;
  }
  Node negation() {
    if (!is_name("not")) return comparison();
    const Level level(*this);
    Node result = node(NodeKind::unary, "not");
    take();
    result.children.push_back(negation());
    return result;
  }

  std::string comparison_operator() {
    for (const std::string_view sign : {"==", "!=", "<=", ">=", "<", ">"}) {
      if (accept_sign(sign)) return std::string(sign);
    }
    if (accept_name("in")) return "in";
    if (is_name("not") && next().kind == TokenKind::name && next().text == "in") {
      take();
      take();
      return "not in";
    }
    return "";
  }
  Node comparison() {
    Node left = sum();
    std::string sign = comparison_operator();
    if (sign.empty()) return left;
    Node result = node(NodeKind::comparison);
    result.children.push_back(std::move(left));
    for (; !sign.empty(); sign = comparison_operator()) {
      result.children.push_back(literal(sign));
      result.children.push_back(sum());
    }
    return result;
  }

  template <std::size_t kCount, typename Operand>
  Node chain(const std::array<std::string_view, kCount>& signs, const Operand& operand) {
    Node left = operand();
    while (true) {
      const auto sign = std::find_if(signs.begin(), signs.end(), [this](std::string_view s) { return is_sign(s); });
      if (sign == signs.end()) return left;
      take();
      left = joined(*sign, std::move(left), operand());
    }
  }
  Node sum() {
    return chain(std::array<std::string_view, 2>{"+", "-"}, [this] { return concatenation(); });
  }
  Node concatenation() {
    return chain(std::array<std::string_view, 1>{"~"}, [this] { return product(); });
  }
  Node product() {
    return chain(std::array<std::string_view, 4>{"*", "//", "/", "%"}, [this] { return power(); });
  }
  Node power() {
    return chain(std::array<std::string_view, 1>{"**"}, [this] { return signed_value(true); });
  }
  Node signed_value(bool with_filters) {
    const Level level(*this);
    Node result;
    if (is_sign("-") || is_sign("+")) {
      result = node(NodeKind::unary, take().text);
      result.children.push_back(signed_value(false));
    } else {
      result = after(primary());
    }
    return with_filters ? filtered(std::move(result)) : result;
  }

  Node primary() {
    const Token token = here();
    if (token.kind == TokenKind::string) {
      std::string text;
      while (here().kind == TokenKind::string) text += take().text;
      return literal(std::move(text));
    }
    if (token.kind == TokenKind::integer) return literal(std::int64_t{std::strtoll(take().text.c_str(), nullptr, 10)});
    if (token.kind == TokenKind::real) return literal(std::strtod(take().text.c_str(), nullptr));
    if (token.kind == TokenKind::name) {
      take();
      if (token.text == "true" || token.text == "True") return literal(true);
      if (token.text == "false" || token.text == "False") return literal(false);
      if (token.text == "none" || token.text == "None") return literal(None{});
      return node(NodeKind::name, token.text);
    }
    if (accept_sign("(")) return bracketed(")");
    if (accept_sign("[")) return bracketed("]");
    if (accept_sign("{")) return dict();
    fail(fmt::format("expected an expression, got {}", printable(token.text)));
  }

  Node bracketed(std::string_view close) {
    Node items = node(NodeKind::list);
    bool comma = close == "]";
    while (!is_sign(close)) {
      items.children.push_back(expression());
      if (is_sign(close)) break;
      need_sign(",");
      comma = true;
    }
    take();
    if (!comma && items.children.size() == 1) {
      Node inner = std::move(items.children.front());  // brackets only; moved out before the list goes
      return inner;
    }
    return items;
  }

  Node dict() {
    Node result = node(NodeKind::dict);
    while (!is_sign("}")) {
      result.children.push_back(expression());
      need_sign(":");
      result.children.push_back(expression());
      if (!is_sign("}")) need_sign(",");
    }
    take();
    return result;
  }

  Node with_object(NodeKind kind, Node object, std::string text = {}) const {
    Node result = node(kind, std::move(text));
    result.children.push_back(std::move(object));
    return result;
  }

  Node after(Node value) {
    while (true) {
      if (accept_sign(".")) {
        if (here().kind == TokenKind::integer) {
          value = with_object(NodeKind::subscript, std::move(value));
          value.children.push_back(primary());
        } else {
          value = with_object(NodeKind::attribute, std::move(value), need_name());
        }
      } else if (accept_sign("[")) {
        value = subscript(std::move(value));
      } else if (accept_sign("(")) {
        value = with_object(NodeKind::call, std::move(value));
        arguments(value);
      } else {
        return value;
      }
    }
  }

  Node subscript(Node object) {
    std::vector<Node> parts;
    bool is_slice = false;
    parts.push_back(is_sign(":") ? literal(None{}) : expression());
    while (accept_sign(":")) {
      is_slice = true;
      parts.push_back(is_sign(":") || is_sign("]") ? literal(None{}) : expression());
    }
    need_sign("]");
    if (parts.size() > 3) fail("a slice of more than three parts");
    Node result = with_object(is_slice ? NodeKind::slice : NodeKind::subscript, std::move(object));
    if (is_slice) parts.resize(3, literal(None{}));
    for (Node& part : parts) result.children.push_back(std::move(part));
    return result;
  }

  void arguments(Node& call) {
    while (!is_sign(")")) {
      if (is_sign("*") || is_sign("**")) fail("unpacked arguments, which kvwave does not evaluate");
      if (here().kind == TokenKind::name && next().kind == TokenKind::sign && next().text == "=") {
        Node argument = node(NodeKind::keyword, take().text);
        take();
        argument.children.push_back(expression());
        call.children.push_back(std::move(argument));
      } else {
        call.children.push_back(expression());
      }
      if (!is_sign(")")) need_sign(",");
    }
    take();
  }

  Node filtered(Node value) {
    while (true) {
      if (accept_sign("|")) {
        value = with_object(NodeKind::filter, std::move(value), need_name());
        if (accept_sign("(")) arguments(value);
      } else if (accept_name("is")) {
        const bool negated = accept_name("not");
        value = with_object(NodeKind::test, std::move(value), need_name());
        test_arguments(value);
        if (negated) value = with_object(NodeKind::unary, std::move(value), "not");
      } else {
        return value;
      }
    }
  }

  // x is divisibleby 3, x is in [1, 2], x is sameas(y)
  void test_arguments(Node& test) {
    if (accept_sign("(")) return arguments(test);
    static constexpr std::array<std::string_view, 7> kWords = {"else", "or", "and", "is", "if", "not", "in"};
    const bool word =
        here().kind == TokenKind::name && std::find(kWords.begin(), kWords.end(), here().text) == kWords.end();
    const bool value = here().kind == TokenKind::string || here().kind == TokenKind::integer || is_sign("[");
    if (word || value) test.children.push_back(after(primary()));
  }

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

Node parse(std::string_view source) {
  return Parser(tokenise(source)).run();
}

}  // namespace kvwave::capture::jinja
