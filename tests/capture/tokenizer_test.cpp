#include "capture/tokenizer.h"

#include <random>
#include <string>

#include <gtest/gtest.h>

#include "capture/error.h"
#include "tests/capture/tiny_llama.h"

namespace kvwave::capture {
namespace {

using Ids = std::vector<std::int32_t>;

TokenizerData tiny_data() {
  const testing::TinyVocab vocab = testing::tiny_vocab();
  TokenizerData data;
  data.kind = "gpt2";
  data.pre = "smollm";
  data.pieces = vocab.pieces;
  data.types = vocab.types;
  data.merges = vocab.merges;
  data.bos = 1;
  data.eos = 2;
  data.source = "tiny.gguf";
  return data;
}

std::int32_t add_piece(TokenizerData& data, const std::string& piece, std::int32_t type) {
  data.pieces.push_back(piece);
  data.types.push_back(type);
  return static_cast<std::int32_t>(data.pieces.size() - 1);
}

TEST(Tokenizer, round_trips_any_bytes) {
  const Tokenizer tokenizer(tiny_data());
  constexpr unsigned kSeed = 3;
  SCOPED_TRACE(::testing::Message() << "seed " << kSeed);
  std::mt19937 random(kSeed);
  constexpr std::string_view kAlphabet = "the and\n 12\xc3\xa9\xe2\x82\xacHello";
  for (int i = 0; i < 2000; ++i) {
    std::string text(random() % 40, '\0');
    for (char& c : text) c = static_cast<char>(i % 2 == 0 ? random() : kAlphabet[random() % kAlphabet.size()]);
    for (const bool special : {false, true}) {
      EXPECT_EQ(tokenizer.decode(tokenizer.encode(text, special, false)), text);
    }
  }
}

TEST(Tokenizer, merges_by_rank) {
  const TokenizerData data = tiny_data();
  const Tokenizer tokenizer(data);
  const Ids ids = tokenizer.encode("Hello the thing", false, false);
  std::vector<std::string> words;
  for (const std::int32_t id : ids) words.push_back(tokenizer.bytes(id));
  EXPECT_EQ(words, (std::vector<std::string>{"Hello", " the", " t", "h", "ing"}));
}

TEST(Tokenizer, special_tokens_in_text_are_text_unless_asked_for) {
  const Tokenizer tokenizer(tiny_data());
  EXPECT_EQ(tokenizer.encode("<|im_start|>x<|im_end|>", true, false).size(), 3U);
  const Ids plain = tokenizer.encode("<|im_start|>x<|im_end|>", false, false);
  for (const std::int32_t id : plain) EXPECT_FALSE(tokenizer.is_control(id));
}

TEST(Tokenizer, of_special_tokens_that_begin_together_the_longest_wins) {
  TokenizerData data = tiny_data();
  add_piece(data, "<|im", 3);
  const std::int32_t longer = add_piece(data, "<|im_start|>user", 3);
  const Tokenizer tokenizer(data);
  EXPECT_EQ(tokenizer.encode("<|im_start|>user", true, false), (Ids{longer}));
  EXPECT_EQ(tokenizer.encode("<|im_start|>", true, false), (Ids{1}));
}

TEST(Tokenizer, user_defined_tokens_are_always_found) {
  TokenizerData data = tiny_data();
  const std::int32_t tag = add_piece(data, "<tag>", 4);
  const Tokenizer tokenizer(data);
  EXPECT_EQ(tokenizer.encode("<tag>", false, false), (Ids{tag}));
  EXPECT_FALSE(tokenizer.is_control(tag));
}

TEST(Tokenizer, bos_only_where_the_file_asks_for_it) {
  TokenizerData data = tiny_data();
  EXPECT_EQ(Tokenizer(data).encode("1", true, true).size(), 1U);
  data.add_bos = true;
  EXPECT_EQ(Tokenizer(data).encode("1", true, true).front(), 1);
  EXPECT_EQ(Tokenizer(data).encode("1", true, false).size(), 1U);
}

TEST(Tokenizer, whole_pieces_of_llama_bpe_are_never_control_tokens) {
  TokenizerData data = tiny_data();
  data.pre = "llama-bpe";
  data.whole_words_first = true;
  const std::int32_t stop = add_piece(data, "stop", 3);
  const std::int32_t halt = add_piece(data, "halt", 1);
  const Tokenizer tokenizer(data);
  EXPECT_EQ(tokenizer.encode("halt", false, false), (Ids{halt}));
  EXPECT_NE(tokenizer.encode("stop", false, false), (Ids{stop}));
  EXPECT_EQ(tokenizer.encode("stop", true, false), (Ids{stop}));
}

TEST(Tokenizer, takes_a_vocabulary_of_many_special_tokens) {
  TokenizerData data = tiny_data();
  for (int i = 0; i < 200000; ++i) add_piece(data, std::string("<").append(std::to_string(i)).append(">"), 3);
  const Tokenizer tokenizer(data);
  EXPECT_EQ(tokenizer.encode("<1><199999>", true, false).size(), 2U);
  EXPECT_EQ(tokenizer.encode(std::string(20000, '<'), true, false).size(), 20000U);
}

TEST(Tokenizer, takes_a_word_of_a_megabyte) {
  const Tokenizer tokenizer(tiny_data());
  std::string text;
  while (text.size() < (1U << 20)) text += "hello";
  EXPECT_EQ(tokenizer.decode(tokenizer.encode(text, true, false)), text);
}

TEST(Tokenizer, refuses_what_it_does_not_know_and_names_the_file) {
  TokenizerData data = tiny_data();
  data.kind = "bert";
  EXPECT_THROW(Tokenizer{data}, UnsupportedModel);
  data.kind = "llama";
  EXPECT_THROW(Tokenizer{data}, BadModelFile) << "no scores";
  data = tiny_data();
  data.kind.clear();
  EXPECT_THROW(Tokenizer{data}, UnsupportedModel);
  data = tiny_data();
  data.pre = "";
  try {
    const Tokenizer tokenizer(data);
    FAIL() << "accepted";
  } catch (const UnsupportedModel& e) {
    EXPECT_TRUE(std::string(e.what()).starts_with("tiny.gguf: pre-tokenizer ''")) << e.what();
  }
}

TEST(Tokenizer, refuses_vocabularies_that_contradict_themselves) {
  TokenizerData data = tiny_data();
  add_piece(data, "he", 1);
  EXPECT_THROW(Tokenizer{data}, BadModelFile) << "duplicate piece";
  for (const char* merge : {"he zz", "he", "", " ", "he ", "q z", "a b c"}) {
    data = tiny_data();
    data.merges.push_back(merge);
    EXPECT_THROW(Tokenizer{data}, BadModelFile) << "merge '" << merge << "'";
  }
}

TEST(Utf8Stream, gives_out_whole_characters_only) {
  Utf8Stream stream;
  EXPECT_EQ(stream.push("a\xe2"), "a");
  EXPECT_EQ(stream.push("\x82"), "");
  EXPECT_EQ(stream.push("\xac!"), "\xe2\x82\xac!");
  EXPECT_EQ(stream.flush(), "");
  EXPECT_EQ(stream.push("\xf0\x9f\x98"), "");
  EXPECT_EQ(stream.flush(), "\xef\xbf\xbd");
  EXPECT_EQ(stream.flush(), "");
}

TEST(Utf8Stream, replaces_bad_bytes_as_python_does) {
  const std::string bad = "\xef\xbf\xbd";
  // Expected: bytes.decode("utf-8", errors="replace").
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"\x80", bad},
      {"\xff\xfe", bad + bad},
      {"\xe2\x82(", bad + "("},
      {"\xc0\xaf", bad + bad},
      {"\xed\xa0\x80", bad + bad + bad},
      {"\xf0\x9f\x98", bad},
      {"\xf4\x90\x80\x80", bad + bad + bad + bad},
      {"\xe2\xe2\x82\xac", bad + "\xe2\x82\xac"},
  };
  for (const auto& [bytes, expected] : cases) {
    for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {  // wherever the bytes are divided
      Utf8Stream stream;
      std::string out = stream.push(bytes.substr(0, cut));
      out += stream.push(bytes.substr(cut));
      EXPECT_EQ(out + stream.flush(), expected);
    }
  }
}

}  // namespace
}  // namespace kvwave::capture
