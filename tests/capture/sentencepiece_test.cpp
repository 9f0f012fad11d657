// SentencePiece words are merged one by one where no piece reaches across them; both ways give the same ids.
#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "capture/model.h"
#include "capture/tokenizer.h"
#include "tests/capture/fixture.h"

namespace kvwave::capture {
namespace {

TokenizerData sentencepiece() {
  return Model::load(std::string(KVWAVE_TEST_DATA) + "/models/mistral.gguf").tokenizer_data();
}

TokenizerData with_piece(TokenizerData data, const std::string& piece, float score) {
  data.pieces.push_back(piece);
  data.types.push_back(1);
  data.scores.push_back(score);
  return data;
}

TEST(SentencePiece, words_by_themselves_get_the_ids_of_the_whole_text) {
  const Tokenizer by_word(sentencepiece());
  // A piece across words, which no text of the fixture holds, makes the encoder take whole texts.
  const Tokenizer whole(with_piece(sentencepiece(), "\xe2\x96\x81zqzq\xe2\x96\x81zqzq", -1e6F));
  std::string all;
  const nlohmann::json fixture = testing::read_fixture("models/tokenizer_families.json");
  for (const auto& text : fixture.at("texts")) {
    const auto one = text.get<std::string>();
    ASSERT_EQ(by_word.encode(one, true, false), whole.encode(one, true, false)) << ::testing::PrintToString(one);
    all += one;
  }
  EXPECT_EQ(by_word.encode(all, true, false), whole.encode(all, true, false));
}

TEST(SentencePiece, a_piece_across_words_is_found) {
  const TokenizerData data = with_piece(sentencepiece(), "a\xe2\x96\x81", 1e6F);
  const auto id = static_cast<std::int32_t>(data.pieces.size() - 1);
  const std::vector<std::int32_t> ids = Tokenizer(data).encode("a b", false, false);
  EXPECT_NE(std::find(ids.begin(), ids.end(), id), ids.end());
}

TEST(SentencePiece, characters_that_share_bytes_with_the_space_are_no_spaces) {
  const Tokenizer by_word(sentencepiece());
  const Tokenizer whole(with_piece(sentencepiece(), "\xe2\x96\x81zqzq\xe2\x96\x81zqzq", -1e6F));
  // U+2596 and U+2041 are written with the bytes of U+2581 in another order; the last text is no UTF-8.
  for (const std::string text :
       {"\xe2\x96\x96 x", "\xe2\x81\x81 \xe2\x96\x96\xe2\x96\x96  x", "\xe2\x96 \xe2 \x96\x81"}) {
    const std::vector<std::int32_t> ids = by_word.encode(text, false, false);
    EXPECT_EQ(ids, whole.encode(text, false, false));
    EXPECT_EQ(by_word.decode(ids), " " + text);
  }
}

}  // namespace
}  // namespace kvwave::capture
