// Model folders and split files: what is read beside the parameters, and every way in which the files can disagree.
#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "capture/chat_template.h"
#include "capture/error.h"
#include "capture/model.h"
#include "capture/tokenizer.h"
#include "tests/capture/expect_load_error.h"
#include "tests/capture/fixture.h"
#include "tests/capture/safetensors_builder.h"
#include "tests/capture/tiny_llama.h"
#include "tests/file_bytes.h"

namespace kvwave::capture {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::expect_load_error;
using testing::write_bytes;

/// A copy of one of the fixture's folders that a test may spoil.
class ModelFolder : public ::testing::Test {
 protected:
  fs::path copy(const std::string& name) {
    const fs::path folder = temporary_ / name;
    fs::remove_all(folder);
    fs::copy(fs::path(KVWAVE_TEST_DATA) / "models" / name, folder);
    return folder;
  }
  template <typename Change>
  fs::path changed(const std::string& name, const std::string& file, const Change& change) {
    const fs::path folder = copy(name);
    json content = json::parse(file_bytes(folder / file));
    change(content);
    write_bytes(folder / file, content.dump());
    return folder;
  }

  TemporaryFolder temporary_;
};

TEST_F(ModelFolder, states_every_number_of_its_files) {
  const Model llama = Model::load(copy("llama"));
  const ModelConfig& c = llama.config();
  EXPECT_EQ(llama.format(), "safetensors");
  EXPECT_EQ(c.name, "llama");
  EXPECT_EQ(c.architecture, "llama");
  EXPECT_EQ(c.n_layers, 2U);
  EXPECT_EQ(c.n_kv_heads, 2U);
  EXPECT_EQ(c.head_dim, 8U);
  EXPECT_EQ(c.vocab_size, 400U);
  EXPECT_EQ(c.context_length, 256U);
  EXPECT_EQ(c.rope_theta, 5e5);
  EXPECT_EQ(c.rope_layout, RopeLayout::half);
  EXPECT_EQ(json::parse(c.rope_scaling).at("type"), "llama3");
  EXPECT_FALSE(c.tied_output);
  EXPECT_EQ(llama.tensors_by_type().at("BF16"), 21U);
  const Model qwen3 = Model::load(copy("qwen3"));
  EXPECT_EQ(qwen3.config().head_dim, 16U);
  EXPECT_TRUE(qwen3.config().tied_output);
  EXPECT_EQ(qwen3.layers()[1].q_norm.size(), 16U);
  EXPECT_TRUE(qwen3.layers()[1].q_bias.empty());
  EXPECT_EQ(Model::load(copy("qwen2")).layers()[0].k_bias.size(), 16U);
  EXPECT_NE(llama.sha256(), qwen3.sha256());
  EXPECT_EQ(llama.sha256().size(), 64U);
}

TEST_F(ModelFolder, yarn_without_a_factor_stretches_the_original_context_to_the_stated_one) {
  const Model stated = Model::load(copy("qwen2"));  // factor 4 of 64 positions
  const Model unstated = Model::load(changed("qwen2", "config.json", [](json& config) {
    config["max_position_embeddings"] = 256;
    config["rope_parameters"].erase("factor");
  }));
  ASSERT_FALSE(stated.config().rope_divisor.empty());
  EXPECT_EQ(unstated.config().rope_divisor, stated.config().rope_divisor);
  EXPECT_EQ(unstated.config().rope_attention_factor, stated.config().rope_attention_factor);
  EXPECT_EQ(unstated.config().context_length, 256U);
  const Model neither = Model::load(changed("qwen2", "config.json", [](json& config) {
    config["rope_parameters"].erase("factor");
    config["rope_parameters"].erase("original_max_position_embeddings");
  }));
  for (const float divisor : neither.config().rope_divisor) EXPECT_EQ(divisor, 1.0F);
  EXPECT_EQ(neither.config().rope_attention_factor, 1.0) << "the original context is the stated one";
}

TEST_F(ModelFolder, older_spelling_of_rotary_settings_gives_the_same_model) {
  const fs::path folder = changed("llama", "config.json", [](json& config) {
    json scaling = config.at("rope_parameters");
    config["rope_theta"] = scaling.at("rope_theta");
    scaling.erase("rope_theta");
    config["rope_scaling"] = scaling;
    config.erase("rope_parameters");
  });
  const Model older = Model::load(folder);
  const Model newer = Model::load(fs::path(KVWAVE_TEST_DATA) / "models/llama");
  EXPECT_EQ(older.config().rope_theta, newer.config().rope_theta);
  EXPECT_EQ(older.config().rope_divisor, newer.config().rope_divisor);
}

TEST_F(ModelFolder, end_tokens_come_from_generation_config) {
  const Model model = Model::load(copy("qwen2"));
  const Tokenizer tokenizer(model.tokenizer_data());
  EXPECT_EQ(tokenizer.end_ids().size(), 2U);
  const fs::path folder = changed("qwen2", "generation_config.json", [](json& config) {
    config["eos_token_id"] = json{7, 300};
  });
  EXPECT_TRUE(Tokenizer(Model::load(folder).tokenizer_data()).is_end(300));
}

TEST_F(ModelFolder, missing_shards_are_named) {
  const fs::path folder = copy("llama");
  fs::remove(folder / "model-00002-of-00003.safetensors");
  expect_load_error<MissingShard>(folder, "names shard 'model-00002-of-00003.safetensors', which is not in the folder");
  fs::remove(folder / "model.safetensors.index.json");
  expect_load_error<MissingShard>(folder, "neither model.safetensors nor model.safetensors.index.json");
  fs::remove(folder / "config.json");
  expect_load_error<BadModelFile>(folder, "no config.json");
}

TEST_F(ModelFolder, an_index_that_names_absent_tensors_is_refused) {
  const std::string index = "model.safetensors.index.json";
  expect_load_error<MissingTensor>(
      changed("llama", index, [](json& file) { file["weight_map"]["ghost"] = "model-00001-of-00003.safetensors"; }),
      "names tensor 'ghost' in 'model-00001-of-00003.safetensors', which lacks it");
  for (const std::string name : {"../model.safetensors", "", "/etc/passwd", ".."}) {
    expect_load_error<BadModelFile>(changed("llama", index, [&](json& file) { file["weight_map"]["x"] = name; }),
                                    "expected a name inside the folder");
  }
  expect_load_error<BadModelFile>(changed("llama", index, [](json& file) { file.erase("weight_map"); }),
                                  "'weight_map' is missing");
  expect_load_error<BadModelFile>(changed("llama", index, [](json& file) { file["weight_map"] = json::object(); }),
                                  "names no tensor");
}

TEST_F(ModelFolder, a_tensor_in_two_shards_is_refused) {
  const fs::path folder = copy("llama");
  fs::copy_file(folder / "model-00001-of-00003.safetensors", folder / "again.safetensors");
  json index = json::parse(file_bytes(folder / "model.safetensors.index.json"));
  for (auto& [name, file] : index.at("weight_map").items()) {
    if (file != "model-00001-of-00003.safetensors") continue;
    file = "again.safetensors";  // the first shard still holds it, and what else it held
    break;
  }
  write_bytes(folder / "model.safetensors.index.json", index.dump());
  expect_load_error<DuplicateName>(folder, "appears twice");
}

TEST_F(ModelFolder, configurations_that_compute_something_else_are_refused_by_name) {
  const auto refused = [this](const std::string& model, const std::string& field, const json& value,
                              const std::string& part) {
    SCOPED_TRACE(field);
    expect_load_error<UnsupportedModel>(changed(model, "config.json", [&](json& c) { c[field] = value; }), part);
  };
  refused("llama", "model_type", "gemma3", "architecture 'gemma3' is not known; known architectures: llama, mistral");
  refused("llama", "hidden_act", "gelu", "activation 'gelu'; known is silu");
  refused("llama", "quantization_config", json{{"bits", 4}}, "quantization_config");
  refused("llama", "rope_parameters", json{{"rope_type", "longrope"}}, "rope scaling type 'longrope'");
  refused("mistral", "sliding_window", 64, "sliding-window attention over 64 of 256 positions");
  refused("llama", "layer_types", json{"linear_attention"}, "a layer of type 'linear_attention'");
  expect_load_error<UnsupportedModel>(changed("qwen2", "config.json",
                                              [](json& c) {
                                                c["use_sliding_window"] = true;
                                                c["sliding_window"] = 32;
                                              }),
                                      "sliding-window");
  EXPECT_NO_THROW(Model::load(changed("mistral", "config.json", [](json& c) { c["sliding_window"] = 256; })));
  EXPECT_NO_THROW(Model::load(changed("mistral", "config.json", [](json& c) { c.erase("sliding_window"); })))
      << "the usual window of 4096 is longer than this context";
}

TEST_F(ModelFolder, numbers_that_are_missing_or_contradict_the_tensors_are_named) {
  for (const std::string field : {"num_hidden_layers", "hidden_size", "intermediate_size", "num_attention_heads",
                                  "max_position_embeddings", "rms_norm_eps"}) {
    expect_load_error<BadModelFile>(changed("llama", "config.json", [&](json& c) { c.erase(field); }),
                                    "field '" + field + "' is missing");
    expect_load_error<BadModelFile>(changed("llama", "config.json", [&](json& c) { c[field] = "many"; }),
                                    "field '" + field + "' should be a");
    expect_load_error<BadModelFile>(changed("llama", "config.json", [&](json& c) { c[field] = -1; }),
                                    "field '" + field + "' is -1");
  }
  expect_load_error<BadTensor>(changed("llama", "config.json", [](json& c) { c["vocab_size"] = 401; }),
                               "has 400 rows, expected vocab_size = 401");
  expect_load_error<BadTensor>(changed("llama", "config.json", [](json& c) { c["intermediate_size"] = 64; }),
                               "has shape [48, 32], expected [64, 32]");
  expect_load_error<MissingTensor>(changed("qwen2", "config.json", [](json& c) { c["tie_word_embeddings"] = false; }),
                                   "'lm_head.weight' is missing");
  expect_load_error<UnsupportedModel>(changed("qwen2", "config.json", [](json& c) { c["model_type"] = "llama"; }),
                                      "is not part of architecture llama");
}

TEST_F(ModelFolder, tokenizers_that_the_model_has_no_rows_for_are_refused) {
  expect_load_error<VocabularyMismatch>(
      changed("qwen2", "tokenizer.json", [](json& file) { file["model"]["vocab"]["zz"] = 400; }),
      "piece 'zz' has id 400, but the model's embedding has 400 rows");
  expect_load_error<VocabularyMismatch>(
      changed("qwen2", "generation_config.json", [](json& file) { file["eos_token_id"] = 400; }),
      "eos_token_id is 400");
  expect_load_error<VocabularyMismatch>(
      changed("qwen2", "tokenizer_config.json", [](json& file) { file["eos_token"] = "<none>"; }),
      "eos_token is '<none>', which the vocabulary lacks");
}

TEST_F(ModelFolder, split_gguf_files_are_read_together) {
  testing::GgufBuilder whole = testing::build_tiny_llama();
  testing::GgufBuilder second;
  whole.set_raw("split.count", 2, testing::little_endian<std::uint16_t>(2));
  whole.set_raw("split.no", 2, testing::little_endian<std::uint16_t>(0));
  second.set_raw("split.count", 2, testing::little_endian<std::uint16_t>(2));
  second.set_raw("split.no", 2, testing::little_endian<std::uint16_t>(1));
  const std::size_t n_tensors = whole.tensors.size();
  whole.set_raw("split.tensors.count", 5, testing::little_endian(static_cast<std::int32_t>(n_tensors)));
  second.tensors.assign(whole.tensors.begin() + 5, whole.tensors.end());
  whole.tensors.resize(5);
  const fs::path first_path = temporary_ / "tiny-00001-of-00002.gguf";
  const fs::path second_path = temporary_ / "tiny-00002-of-00002.gguf";
  whole.write(first_path);
  EXPECT_THROW(Model::load(first_path), MissingShard);
  second.write(second_path);
  const Model model = Model::load(first_path);
  EXPECT_EQ(model.tensors_by_type().at("F32"), n_tensors);
  testing::write_tiny_llama(temporary_ / "single.gguf");
  const Model single = Model::load(temporary_ / "single.gguf");
  EXPECT_EQ(std::memcmp(model.layers()[1].down.data, single.layers()[1].down.data, 64), 0);
  EXPECT_NE(model.sha256(), single.sha256());
  expect_load_error<BadModelFile>(second_path, "file 2 of 2 of a split model; give the first one");
  fs::copy_file(first_path, temporary_ / "other.gguf");
  expect_load_error<BadModelFile>(temporary_ / "other.gguf", "whose name should end in -00001-of-00002.gguf");
  second.tensors.pop_back();
  second.write(second_path);
  expect_load_error<MissingTensor>(first_path, "split.tensors.count is 20");
  whole.write(second_path);
  EXPECT_THROW(Model::load(first_path), BadModelFile) << "both say that they are the first";
}

TEST_F(ModelFolder, errors_of_a_chat_template_name_the_file_that_holds_it) {
  const auto error_of = [](const fs::path& folder) -> std::string {
    const Model model = Model::load(folder);
    try {
      check_chat_template(model.tokenizer_data());
    } catch (const UnsupportedTemplate& error) {
      return error.what();
    }
    return "no error";
  };
  const fs::path folder =
      changed("qwen3", "tokenizer_config.json", [](json& config) { config["chat_template"] = "{% include 'x' %}"; });
  EXPECT_TRUE(error_of(folder).starts_with((folder / "tokenizer_config.json").string() + ": ")) << error_of(folder);
  write_bytes(folder / "chat_template.jinja", "{% import 'y' %}");
  EXPECT_TRUE(error_of(folder).starts_with((folder / "chat_template.jinja").string() + ": ")) << error_of(folder);
  const fs::path bare = changed("qwen3", "tokenizer_config.json", [](json& config) { config.erase("chat_template"); });
  EXPECT_EQ(error_of(bare), bare.string() + ": the model has no chat template; --raw feeds the text as it is");
}

}  // namespace
}  // namespace kvwave::capture
