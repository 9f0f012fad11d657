// Chat templates that would run for ever, fill the memory or the stack: each ends soon, with a refusal that says why.
#include <string>

#include <gtest/gtest.h>

#include "capture/error.h"
#include "capture/jinja_evaluator.h"

namespace kvwave::capture {
namespace {

void expect_refusal(const std::string& text, const std::string& part) {
  try {
    const std::string out = jinja::render(jinja::parse(text), {});
    ADD_FAILURE() << "accepted " << text.substr(0, 200) << ", wrote " << out.size() << " bytes";
  } catch (const UnsupportedTemplate& error) {
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

std::string repeat(const std::string& text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

TEST(JinjaLimits, long_ranges) {
  expect_refusal("{% for i in range(10**12) %}{% endfor %}", "range of more than 100000");
  expect_refusal("{% for i in range(0, 10, 0) %}{% endfor %}", "step 0");
  const std::string most = "(9223372036 * 10**9 + 854775807)";
  EXPECT_EQ(jinja::render(jinja::parse("{{ range(0 - " + most + ", 5, " + most + ")|length }}"), {}), "2");
}

TEST(JinjaLimits, filters_that_apply_others_to_every_item) {
  expect_refusal("{{ range(90000)|select('in', range(90000))|list|length }}", "steps");
  expect_refusal("{{ range(90000)|map('default', range(90000))|list|length }}", "steps");
  expect_refusal("{{ [[1]]|unique|list }}", "'unique' over a list");
  EXPECT_EQ(jinja::render(jinja::parse("{{ range(90000)|unique|length }}"), {}), "90000");
  EXPECT_EQ(jinja::render(jinja::parse("{{ [1, 1.0, true, '1', none, none, 'a', 'a']|unique|list }}"), {}),
            "[1, '1', None, 'a']");
}

TEST(JinjaLimits, texts_that_grow_without_end) {
  expect_refusal("{{ 'abcdefgh' * 10**9 }}", "too long");
  EXPECT_EQ(jinja::render(jinja::parse("{{ '' * 10**15 }}"), {}), "");
  expect_refusal("{% set ns = namespace(t='x' * 1000) %}{% for i in range(99) %}{% set ns.t = ns.t * 9 %}{% endfor %}",
                 "too long");
  expect_refusal("{% for c in 'x' * 60000000 %}{% endfor %}", "characters of a text of more than 4 MiB");
  EXPECT_EQ(jinja::render(jinja::parse("{{ ('a ' * 100000).split()|length }}"), {}), "100000") << "in linear time";
  EXPECT_EQ(jinja::render(jinja::parse("{{ '  a b  c '.split(none, 1) }}"), {}), "['a', 'b  c ']");
}

TEST(JinjaLimits, numbers_beyond_64_bits) {
  expect_refusal("{{ (10.0**300)|int }}", "64 bits");
  expect_refusal("{{ (10.0**300 * 10.0**300 - 10.0**300 * 10.0**300)|int }}", "64 bits");
  expect_refusal("{{ 9223372036 * 10**9 + 854775807 + 1 }}", "64 bits");
}

TEST(JinjaLimits, macros_that_call_themselves_deep_inside_expressions) {
  expect_refusal("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "deep");
  expect_refusal("{% macro f(x=f()) %}{% endmacro %}{{ f() }}", "deep");
  const std::string lists =
      "{% macro f() %}{{ " + repeat("[", 60) + "f()" + repeat("]", 60) + " }}{% endmacro %}{{ f() }}";
  expect_refusal(lists, "deep");
  const std::string branches = "{% macro f() %}" + repeat("{% if true %}", 60) + "{{ f() }}" +
                               repeat("{% endif %}", 60) + "{% endmacro %}{{ f() }}";
  expect_refusal(branches, "deep");
  expect_refusal("{{ " + repeat("(", 100000) + "1" + repeat(")", 100000) + " }}", "nested deeper");
  expect_refusal("{{ " + repeat("not ", 100000) + "1 }}", "nested deeper");
  expect_refusal(repeat("{% if true %}", 100000), "nested deeper");
}

}  // namespace
}  // namespace kvwave::capture
