#include "capture/chat_template.h"

#include <gtest/gtest.h>

#include "capture/error.h"
#include "capture/jinja_evaluator.h"
#include "capture/tokenizer.h"
#include "tests/capture/fixture.h"

namespace kvwave::capture {
namespace {

const nlohmann::json& templates_fixture() {
  static const nlohmann::json all = testing::read_fixture("chat_templates.json");
  return all;
}

TokenizerData with_template(const std::string& text) {
  TokenizerData data;
  data.source = "some.gguf";
  data.pieces = {"<|begin_of_text|>", "<eos>"};
  data.bos = 0;
  data.eos = 1;
  data.chat_template = text;
  return data;
}

std::vector<ChatMessage> conversation(std::size_t number) {
  std::vector<ChatMessage> messages;
  for (const auto& message : templates_fixture().at("conversations").at(number)) {
    messages.push_back({message.at("role"), message.at("content")});
  }
  return messages;
}

jinja::Value from_json(const nlohmann::json& json) {
  if (json.is_null()) return jinja::None{};
  if (json.is_boolean()) return json.get<bool>();
  if (json.is_number_integer()) return json.get<std::int64_t>();
  if (json.is_number()) return json.get<double>();
  if (json.is_string()) return json.get<std::string>();
  if (json.is_array()) {
    jinja::List list;
    for (const auto& item : json) list.push_back(from_json(item));
    return list;
  }
  jinja::Dict dict;
  for (const auto& [key, item] : json.items()) dict.set(key, from_json(item));
  return dict;
}

// Conversations in eleven templates of the families, beside transformers' own renderer.
TEST(ChatTemplate, renders_as_transformers_does) {
  EXPECT_GE(templates_fixture().at("templates").size(), 11U);
  for (const auto& c : templates_fixture().at("templates")) {
    const TokenizerData data = with_template(c.at("template"));
    EXPECT_NO_THROW(check_chat_template(data)) << c.at("name");
    for (const auto& each : c.at("rendered")) {
      SCOPED_TRACE(c.at("name").get<std::string>() + ", conversation " + each.at("conversation").dump());
      const auto messages = conversation(each.at("conversation"));
      const auto thinking =
          each.at("thinking").is_null() ? std::nullopt : std::optional<bool>(each.at("thinking").get<bool>());
      if (each.at("text").is_null()) {
        EXPECT_THROW(render_chat(data, messages, thinking), BadPrompt) << "the template itself refuses";
      } else {
        EXPECT_EQ(render_chat(data, messages, thinking), each.at("text").get<std::string>());
      }
    }
  }
}

TEST(Jinja, evaluates_expressions_as_python_does) {
  const jinja::Dict variables = [] {
    jinja::Dict dict;
    dict.set("n", std::int64_t{7});
    dict.set("s", " Hello, World ");
    dict.set("l", from_json({3, 1, 2}));
    jinja::Dict d;
    d.set("b", std::int64_t{1});
    d.set("a", from_json({true, nullptr, 1.5}));
    dict.set("d", std::move(d));
    dict.set("none_value", jinja::None{});
    return dict;
  }();
  EXPECT_GE(templates_fixture().at("expressions").size(), 30U);
  for (const auto& c : templates_fixture().at("expressions")) {
    const auto text = c.at("template").get<std::string>();
    SCOPED_TRACE(text);
    EXPECT_EQ(jinja::render(jinja::parse(text), variables), c.at("text").get<std::string>());
  }
}

TEST(Jinja, says_which_construct_it_cannot_evaluate) {
  for (const auto& c : templates_fixture().at("broken")) {
    try {
      (void)jinja::render(jinja::parse(c.at("template").get<std::string>()), {});
      ADD_FAILURE() << "accepted " << c.at("template");
    } catch (const UnsupportedTemplate& error) {
      const std::string text = error.what();
      EXPECT_NE(text.find(c.at("says").get<std::string>()), std::string::npos) << text;
      EXPECT_NE(text.find("chat template, line 1: "), std::string::npos) << text;
    }
  }
}

TEST(ChatTemplate, errors_name_the_model_and_the_way_out) {
  const std::vector<ChatMessage> hello = {{"user", "Hi"}};
  for (const std::string text : {"", "{%", "{{ '", "{% extends 'x' %}"}) {
    try {
      (void)render_chat(with_template(text), hello);
      FAIL() << "accepted " << text;
    } catch (const UnsupportedTemplate& e) {
      EXPECT_NE(std::string(e.what()).find("--raw"), std::string::npos) << e.what();
      EXPECT_TRUE(std::string(e.what()).starts_with("some.gguf: ")) << e.what();
    }
  }
  EXPECT_THROW(render_chat(with_template("{{ messages }}"), hello, false), BadPrompt) << "no switch for thinking";
  EXPECT_THROW(render_chat(with_template("{{ raise_exception('no') }}"), hello), BadPrompt);
}

// Ids as llama.cpp and transformers give them for the same prompt.
TEST(ChatTemplate, smollm_asks_about_pens_in_53_tokens) {
  KVWAVE_REQUIRE_MODEL(path);
  const Model model = Model::load(path);
  const Tokenizer tokenizer(model.tokenizer_data());
  const std::string prompt =
      render_chat(model.tokenizer_data(),
                  {{ChatMessage{"user", "If 3 pens cost 4 dollars, how much do 12 pens cost? Think step by step."}}});
  const std::vector<std::int32_t> expected = {
      1,    9690, 198, 2683,  359,  253, 5356, 5646, 11173, 3365,  3511, 308, 34519, 28,   7018, 411,  407,  19712,
      8182, 2,    198, 1,     4093, 198, 1937, 216,  35,    24193, 1708, 216, 36,    8358, 28,   638,  1083, 536,
      216,  33,   34,  24193, 1708, 47,  6545, 1833, 411,   1833,  30,   2,   198,   1,    520,  9531, 198};
  EXPECT_EQ(expected.size(), 53U);
  EXPECT_EQ(tokenizer.encode(prompt, true, false), expected);
}

}  // namespace
}  // namespace kvwave::capture
