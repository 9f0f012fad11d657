#include "capture/chat_template.h"

#include <gtest/gtest.h>

#include "capture/error.h"
#include "capture/jinja_text.h"
#include "capture/tokenizer.h"
#include "tests/capture/fixture.h"

namespace kvwave::capture {
namespace {

TokenizerData with_template(const std::string& text) {
  TokenizerData data;
  data.source = "some.gguf";
  data.pieces = {"<|begin_of_text|>"};
  data.bos = 0;
  data.chat_template = text;
  return data;
}

TEST(ChatTemplate, renders_as_jinja_does) {
  for (const auto& c : testing::read_fixture("chat_templates.json")) {
    const TokenizerData data = with_template(c.at("template"));
    EXPECT_EQ(to_string(recognise_chat_form(data)), c.at("form").get<std::string>()) << c.at("template");
    for (std::size_t i = 0; i < c.at("messages").size(); ++i) {
      EXPECT_EQ(render_chat(data, c.at("messages")[i].get<std::string>()), c.at("rendered")[i].get<std::string>());
    }
  }
}

// Expected text: Meta's published prompt format of Llama 3.1.
TEST(ChatTemplate, recognises_the_dated_llama_form_by_its_marks) {
  const TokenizerData data = with_template(
      "{%- set date_string = \"26 Jul 2024\" %}{{- \"<|start_header_id|>system<|end_header_id|>\\n\\n\" }}"
      "{{- \"Cutting Knowledge Date: December 2023\\n\" }}{# and much more #}");
  EXPECT_EQ(recognise_chat_form(data), ChatForm::llama3_dated);
  EXPECT_EQ(render_chat(data, " Hi\n"),
            "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\n"
            "Today Date: 26 Jul 2024\n\n<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n");
}

TEST(ChatTemplate, of_no_known_form_names_the_way_out) {
  const std::vector<std::string> unknown = {
      "", "hello", "{%", "{{ '", "{% for message in messages %}", "{{ messages[0]['content'] }}",
      "{% for message in messages %}{{'<|user|>' + message['content']}}{% endfor %}",
      // A system message that is an expression.
      "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\n' + "
      "name + '<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + "
      "'<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"};
  for (const std::string& text : unknown) {
    try {
      recognise_chat_form(with_template(text));
      FAIL() << "accepted " << text;
    } catch (const UnsupportedModel& e) {
      EXPECT_NE(std::string(e.what()).find("--raw"), std::string::npos) << e.what();
      EXPECT_TRUE(std::string(e.what()).starts_with("some.gguf: ")) << e.what();
    }
  }
}

TEST(JinjaText, drops_only_what_jinja_drops) {
  EXPECT_EQ(normalise_jinja("{% if a %}\n  {% endif %}\nx \n"), "{%ifa%}{%endif%}x \n");
  EXPECT_EQ(normalise_jinja("a {{- b -}}  c"), "a{{b}}c");
  EXPECT_EQ(normalise_jinja("{{ b }}\nc"), "{{b}}\nc");
  EXPECT_EQ(normalise_jinja("{{ \"x y\" + 'z' }}"), "{{'x yz'}}");
}

TEST(JinjaText, takes_a_template_of_megabytes) {
  std::string text = "{{'";
  for (int i = 0; i < (1 << 20); ++i) text += "'+'";
  EXPECT_EQ(normalise_jinja(text + "'}}"), "{{''}}");
}

// Ids as llama.cpp and transformers give them for the same prompt.
TEST(ChatTemplate, smollm_asks_about_pens_in_53_tokens) {
  KVWAVE_REQUIRE_MODEL(path);
  const Model model = Model::load(path);
  const Tokenizer tokenizer(model.tokenizer_data());
  const std::string prompt =
      render_chat(model.tokenizer_data(), "If 3 pens cost 4 dollars, how much do 12 pens cost? Think step by step.");
  const std::vector<std::int32_t> expected = {
      1,    9690, 198, 2683,  359,  253, 5356, 5646, 11173, 3365,  3511, 308, 34519, 28,   7018, 411,  407,  19712,
      8182, 2,    198, 1,     4093, 198, 1937, 216,  35,    24193, 1708, 216, 36,    8358, 28,   638,  1083, 536,
      216,  33,   34,  24193, 1708, 47,  6545, 1833, 411,   1833,  30,   2,   198,   1,    520,  9531, 198};
  EXPECT_EQ(expected.size(), 53U);
  EXPECT_EQ(tokenizer.encode(prompt, true, false), expected);
}

}  // namespace
}  // namespace kvwave::capture
