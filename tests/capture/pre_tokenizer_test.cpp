// Four pre-tokenizers over one small vocabulary, against the `tokenizers` library
// (tests/fixtures/make_pre_tokenizer_fixture.py).
#include "capture/pre_tokenizer.h"

#include <string>

#include <gtest/gtest.h>

#include "capture/error.h"
#include "capture/tokenizer.h"
#include "tests/capture/fixture.h"

namespace kvwave::capture {
namespace {

const nlohmann::json& fixture() {
  static const nlohmann::json data = testing::read_fixture("pre_tokenizers.json");
  return data;
}

TokenizerData small_vocabulary(const std::string& pre) {
  TokenizerData data;
  data.kind = "gpt2";
  data.pre = pre;
  data.whole_words_first = takes_whole_words(pre);
  data.pieces = fixture().at("pieces").get<std::vector<std::string>>();
  data.merges = fixture().at("merges").get<std::vector<std::string>>();
  return data;
}

class PreTokenizerFamily : public ::testing::TestWithParam<const char*> {};

TEST_P(PreTokenizerFamily, cuts_words_where_the_reference_does) {
  const PreTokenizer pre(GetParam());
  const auto& texts = fixture().at("texts");
  const auto& splits = fixture().at("splits").at(GetParam());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto text = texts[i].get<std::string>();
    std::vector<std::size_t> lengths;
    std::string joined;
    for (const std::string_view word : pre.split(text)) {
      lengths.push_back(word.size());
      joined += word;
    }
    EXPECT_EQ(lengths, splits[i].get<std::vector<std::size_t>>()) << texts[i];
    EXPECT_EQ(joined, text);
  }
}

TEST_P(PreTokenizerFamily, gives_the_ids_of_the_reference_and_decodes_back) {
  const Tokenizer tokenizer(small_vocabulary(GetParam()));
  const auto& texts = fixture().at("texts");
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto ids = tokenizer.encode(texts[i].get<std::string>(), false, false);
    EXPECT_EQ(ids, fixture().at("ids").at(GetParam())[i].get<std::vector<std::int32_t>>()) << texts[i];
    EXPECT_EQ(tokenizer.decode(ids), texts[i].get<std::string>());
  }
}

TEST_P(PreTokenizerFamily, keeps_bytes_that_are_no_utf8) {
  const Tokenizer tokenizer(small_vocabulary(GetParam()));
  const auto& texts = fixture().at("invalid");
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const std::string bytes = testing::from_hex(texts[i]);
    const auto ids = tokenizer.encode(bytes, false, false);
    EXPECT_EQ(ids, fixture().at("invalid_ids").at(GetParam())[i].get<std::vector<std::int32_t>>()) << texts[i];
    EXPECT_EQ(tokenizer.decode(ids), bytes);
  }
}

INSTANTIATE_TEST_SUITE_P(All, PreTokenizerFamily, ::testing::Values("gpt-2", "smollm", "llama-bpe", "qwen2"),
                         [](const auto& family) {
                           std::string name = family.param;
                           std::erase(name, '-');
                           return name;
                         });

TEST(PreTokenizer, aliases_mean_the_same_patterns) {
  const std::string text = "It's 12345 apples\n\n  and I'LL take 7";
  EXPECT_EQ(PreTokenizer("llama3").split(text), PreTokenizer("llama-bpe").split(text));
  EXPECT_EQ(PreTokenizer("llama-v3").split(text), PreTokenizer("llama-bpe").split(text));
  EXPECT_EQ(PreTokenizer("deepseek-r1-qwen").split(text), PreTokenizer("qwen2").split(text));
}

TEST(PreTokenizer, names_the_known_ones_when_asked_for_another) {
  try {
    PreTokenizer("tekken\n");
    FAIL() << "accepted";
  } catch (const UnsupportedModel& e) {
    const std::string text = e.what();
    EXPECT_NE(text.find("'tekken\\x0a'"), std::string::npos) << text;
    EXPECT_NE(text.find("smollm"), std::string::npos) << text;
  }
}

TEST(PreTokenizer, takes_a_megabyte_of_anything) {
  for (const char* name : {"gpt-2", "smollm", "llama-bpe", "qwen2"}) {
    const PreTokenizer pre(name);
    for (const std::string unit : {" ", "\n", "a", "1", "!", " \n", "a ", "'", "\xe4\xbd\xa0"}) {
      std::string text;
      while (text.size() < (1U << 20)) text += unit;
      std::size_t bytes = 0;
      for (const std::string_view word : pre.split(text + "x")) bytes += word.size();
      EXPECT_EQ(bytes, text.size() + 1) << name << " with '" << unit << "'";
    }
  }
}

}  // namespace
}  // namespace kvwave::capture
