// Ids of 1,000 odd strings per family beside an independent tokenizer: the `tokenizers` library for byte-level BPE,
// llama.cpp for SentencePiece. Vocabularies and ids were written by tests/fixtures/make_model_fixture.py.
#include <string>

#include <gtest/gtest.h>

#include "capture/error.h"
#include "capture/json_reader.h"
#include "capture/model.h"
#include "capture/tokenizer.h"
#include "capture/tokenizer_json.h"
#include "tests/capture/fixture.h"

namespace kvwave::capture {
namespace {

using Ids = std::vector<std::int32_t>;

const nlohmann::json& families() {
  static const nlohmann::json all = testing::read_fixture("models/tokenizer_families.json");
  return all;
}

void expect_ids(const Tokenizer& tokenizer, const std::string& family) {
  const auto& texts = families().at("texts");
  ASSERT_EQ(texts.size(), 1000U);
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto text = texts[i].get<std::string>();
    const Ids ids = tokenizer.encode(text, true, false);
    if (ids == families().at(family)[i].get<Ids>()) continue;
    if (++wrong <= 5) ADD_FAILURE() << family << ": other ids for " << ::testing::PrintToString(text);
  }
  EXPECT_EQ(wrong, 0U);
}

std::string model(const std::string& name) {
  return std::string(KVWAVE_TEST_DATA) + "/models/" + name;
}

TEST(TokenizerFamily, llama_3_from_both_kinds_of_files) {
  expect_ids(Tokenizer(Model::load(model("llama")).tokenizer_data()), "llama-bpe");
  expect_ids(Tokenizer(Model::load(model("llama.gguf")).tokenizer_data()), "llama-bpe");
}

TEST(TokenizerFamily, qwen_from_both_kinds_of_files_with_normalisation) {
  expect_ids(Tokenizer(Model::load(model("qwen2")).tokenizer_data()), "qwen2");
  expect_ids(Tokenizer(Model::load(model("qwen2.gguf")).tokenizer_data()), "qwen2");
  const Tokenizer qwen3(Model::load(model("qwen3")).tokenizer_data());
  expect_ids(qwen3, "qwen2");
  EXPECT_EQ(qwen3.encode("cafe\xcc\x81", false, false), qwen3.encode("caf\xc3\xa9", false, false));
}

TEST(TokenizerFamily, smollm_and_gpt_2_from_tokenizer_json) {
  expect_ids(Tokenizer(Model::load(model("mistral")).tokenizer_data()), "smollm");
  const std::string path = model("gpt2_tokenizer.json");
  expect_ids(Tokenizer(read_tokenizer_json(read_json_file(path), path, 400)), "gpt-2");
}

TEST(TokenizerFamily, sentencepiece_from_gguf) {
  const Tokenizer tokenizer(Model::load(model("mistral.gguf")).tokenizer_data());
  expect_ids(tokenizer, "sentencepiece");
  EXPECT_EQ(tokenizer.encode("a", false, true).front(), 1) << "BOS goes in front";
  for (const std::string text : {"caf\xc3\xa9  x", "tab\tand\nline", "\xff\xfe broken"}) {
    EXPECT_EQ(tokenizer.decode(tokenizer.encode(text, false, false)), " " + text) << "one space comes in front";
  }
}

TEST(TokenizerFamily, bos_stands_in_front_where_the_post_processor_puts_it) {
  const Tokenizer llama(Model::load(model("llama")).tokenizer_data());
  const TokenizerData data = Model::load(model("llama")).tokenizer_data();
  EXPECT_TRUE(data.add_bos);
  EXPECT_EQ(data.pieces.at(static_cast<std::size_t>(data.bos)), "<|begin_of_text|>");
  EXPECT_EQ(llama.encode("a", false, true).size(), 2U);
  EXPECT_FALSE(Model::load(model("qwen2")).tokenizer_data().add_bos);
}

TEST(TokenizerJson, names_what_it_does_not_know) {
  const auto refused = [](const std::string& pointer, const nlohmann::json& value, const std::string& part) {
    nlohmann::json json = testing::read_fixture("models/qwen2/tokenizer.json");
    json[nlohmann::json::json_pointer(pointer)] = value;
    try {
      (void)read_tokenizer_json(json, "some.json", 400);
      ADD_FAILURE() << pointer << " accepted";
    } catch (const UnsupportedModel& error) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
      EXPECT_TRUE(std::string(error.what()).starts_with("some.json")) << error.what();
    }
  };
  refused("/model/type", "Unigram", "tokenizer model 'Unigram'");
  refused("/model/byte_fallback", true, "byte_fallback");
  refused("/model/dropout", 0.1, "dropout");
  refused("/model/end_of_word_suffix", "</w>", "end_of_word_suffix");
  refused("/normalizer", {{"type", "NFKC"}}, "normaliser 'NFKC'; known is NFC");
  refused("/pre_tokenizer", {{"type", "Metaspace"}}, "pre-tokenizer 'Metaspace'");
  refused("/pre_tokenizer", nullptr, "no pre-tokenizer");
  refused("/pre_tokenizer/pretokenizers/0/pattern/Regex", "(a+)+b", "pattern '(a+)+b' is not known");
  refused("/pre_tokenizer/pretokenizers/0/behavior", "Removed", "isolate");
  refused("/pre_tokenizer/pretokenizers/1/add_prefix_space", true, "adds a space in front");
  refused("/post_processor", {{"type", "BertProcessing"}}, "post-processor 'BertProcessing'");
  refused("/added_tokens/0/lstrip", true, "with lstrip");
}

TEST(TokenizerJson, refuses_vocabularies_that_contradict_themselves) {
  const auto load = [](const auto& change) {
    nlohmann::json json = testing::read_fixture("models/qwen2/tokenizer.json");
    change(json);
    const Tokenizer tokenizer(read_tokenizer_json(json, "some.json", 400));
  };
  EXPECT_THROW(load([](auto& json) { json["model"]["vocab"]["zz"] = 5; }), BadModelFile);
  EXPECT_THROW(load([](auto& json) { json["model"]["vocab"]["zz"] = -5; }), BadModelFile);
  EXPECT_THROW(load([](auto& json) { json["model"]["vocab"] = nullptr; }), BadModelFile);
  EXPECT_THROW(load([](auto& json) { json["model"]["merges"].push_back("q zzz"); }), BadModelFile);
  EXPECT_THROW(load([](auto& json) { json["model"]["merges"].push_back(nlohmann::json{"a b", "c"}); }), BadModelFile);
  EXPECT_THROW(load([](auto& json) { json["model"]["merges"].push_back(7); }), BadModelFile);
  EXPECT_THROW(load([](auto& json) { json["added_tokens"][0]["content"] = "a"; }), BadModelFile);
  EXPECT_THROW(load([](auto& json) { json.erase("model"); }), BadModelFile);
  EXPECT_THROW(read_tokenizer_json(nlohmann::json::array(), "some.json", 400), BadModelFile);
}

}  // namespace
}  // namespace kvwave::capture
