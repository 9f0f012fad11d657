// SmolLM2's tokenizer against llama.cpp (tests/fixtures/make_tokenizer_fixture.py). Needs the real vocabulary.
#include <gtest/gtest.h>

#include "capture/error.h"
#include "capture/model.h"
#include "capture/tokenizer.h"
#include "tests/capture/fixture.h"

namespace kvwave::capture {
namespace {

using Ids = std::vector<std::int32_t>;

TEST(SmolLmTokenizer, gives_the_ids_of_the_reference_and_decodes_back) {
  KVWAVE_REQUIRE_MODEL(path);
  const Model model = Model::load(path);
  const Tokenizer tokenizer(model.tokenizer_data());
  const auto cases = testing::read_fixture("tokenizer_smollm.json");
  ASSERT_GE(cases.size(), 300U);
  for (const auto& c : cases) {
    const std::string text = c.contains("text") ? c.at("text").get<std::string>() : testing::from_hex(c.at("hex"));
    const Ids plain = c.at("ids").get<Ids>();
    const Ids special = c.contains("special_ids") ? c.at("special_ids").get<Ids>() : plain;
    EXPECT_EQ(tokenizer.encode(text, false, false), plain) << c;
    EXPECT_EQ(tokenizer.decode(plain), text) << c;
    if (!c.contains("text")) continue;  // the reference for invalid bytes knows no special tokens
    EXPECT_EQ(tokenizer.encode(text, true, true), special) << c;  // this file asks for no BOS
    EXPECT_EQ(tokenizer.decode(special), text) << c;
  }
}

TEST(SmolLmTokenizer, knows_its_end_tokens_and_control_tokens) {
  KVWAVE_REQUIRE_MODEL(path);
  const Tokenizer tokenizer(Model::load(path).tokenizer_data());
  EXPECT_EQ(tokenizer.vocab_size(), 49152U);
  EXPECT_TRUE(tokenizer.is_end(2));  // <|im_end|>
  EXPECT_TRUE(tokenizer.is_end(0));  // <|endoftext|>
  EXPECT_FALSE(tokenizer.is_end(1));
  EXPECT_TRUE(tokenizer.is_control(16));
  EXPECT_FALSE(tokenizer.is_control(17));
}

TEST(SmolLmTokenizer, names_a_byte_the_vocabulary_has_no_token_for) {
  KVWAVE_REQUIRE_MODEL(path);
  const Tokenizer tokenizer(Model::load(path).tokenizer_data());
  try {
    tokenizer.encode("ab\xff", false, false);
    FAIL() << "0xff was accepted";
  } catch (const BadPrompt& e) {
    EXPECT_NE(std::string(e.what()).find("0xff"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace kvwave::capture
