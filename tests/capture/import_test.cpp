// A trace, exported as another program would have recorded it and imported again, says the same; whatever is wrong with
// such a recording is refused by name.
#include <algorithm>
#include <cmath>
#include <functional>
#include <string>

#include <gtest/gtest.h>

#include "capture/import_error.h"
#include "capture/import_trace.h"
#include "kernels/half.h"
#include "tests/capture/recording_builder.h"
#include "tests/capture/trace_comparison.h"
#include "tests/replay/synthetic_trace.h"
#include "tests/temporary_folder.h"
#include "traces/error.h"

namespace kvwave::capture {
namespace {

namespace fs = std::filesystem;
using testing::RecordingBuilder;
using testing::TraceDifference;

class Import : public ::testing::Test {
 protected:
  Import() {
    replay::SyntheticOptions options;
    options.n_positions = 40;
    options.n_prompt = 12;
    options.prompt_window = 12;  // every row
    options.epsilon = 0;
    options.attention_dtype = traces::FloatType::f32;
    replay::write_synthetic(folder_ / "source.h5", options);
    recording_.emplace(folder_ / "source.h5");
    wanted_.record.prompt_window = 12;
    wanted_.record.epsilon = 0;
    wanted_.record.attention_dtype = traces::FloatType::f32;
    wanted_.threads = 2;
  }

  ImportSources sources(const std::string& rows, const std::string& vectors) const {
    ImportSources sources;
    sources.facts = folder_ / "recording.json";
    if (!rows.empty()) sources.attentions = folder_ / rows;
    if (!vectors.empty()) sources.vectors = folder_ / vectors;
    return sources;
  }
  ImportReport import(const std::string& rows, const std::string& vectors) {
    recording_->write_facts(folder_ / "recording.json");
    ImportOptions options = wanted_;
    options.overwrite = true;
    options.record.levels.qkv = !vectors.empty();
    return import_recording(sources(rows, vectors), options, folder_ / "out.h5");
  }
  TraceDifference difference() const {
    return testing::compare_traces(traces::TraceReader(folder_ / "source.h5"), traces::TraceReader(folder_ / "out.h5"));
  }

  template <class ExpectedError>
  void expect_refusal(const std::string& part, const std::string& rows, const std::string& vectors = "") {
    fs::remove(folder_ / "out.h5");
    try {
      import(rows, vectors);
      ADD_FAILURE() << "accepted; expected an error with \"" << part << "\"";
    } catch (const ExpectedError& error) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
    for (const fs::directory_entry& entry : fs::directory_iterator(folder_.path())) {
      EXPECT_EQ(entry.path().filename().string().rfind("out.h5", 0), std::string::npos) << "left behind: " << entry;
    }
  }
  /// One entry of layer_L.npz changed, or one of step_0.
  template <class ExpectedError>
  void expect_row_refusal(float value, std::uint32_t position, const std::string& part) {
    float& entry = recording_->at(1, 2, 7, position);
    const float before = entry;
    entry = value;
    recording_->write_layers(folder_ / "rows.npz");
    entry = before;
    expect_refusal<ExpectedError>(part, "rows.npz");
  }

  TemporaryFolder folder_;
  std::optional<RecordingBuilder> recording_;
  ImportOptions wanted_;
};

TEST_F(Import, of_rows_alone_keeps_them_bit_by_bit_in_every_arrangement) {
  recording_->write_layers(folder_ / "layers.npz");
  recording_->write_layers(folder_ / "packed.npz", true);
  recording_->write_steps(folder_ / "steps.npz");
  recording_->write_steps(folder_ / "packed_steps.npz", true);
  recording_->write_folder(folder_ / "folder");
  testing::write_bytes(folder_ / "whole.npy", recording_->whole());
  ZipBuilder one;
  one.add("attentions.npy", recording_->whole(), true);
  testing::write_bytes(folder_ / "one.npz", one.finish());
  for (const char* rows :
       {"layers.npz", "packed.npz", "steps.npz", "packed_steps.npz", "folder", "whole.npy", "one.npz"}) {
    SCOPED_TRACE(rows);
    const ImportReport report = import(rows, "");
    EXPECT_EQ(report.n_positions, 40U);
    EXPECT_FALSE(report.disagreement);
    const TraceDifference off = difference();
    EXPECT_EQ(off.rows, 0);
    EXPECT_LT(off.statistics, 1e-6) << "the source's are those of the definition, in fp64";
    EXPECT_EQ(off.demand, 0);
    EXPECT_TRUE(off.same_tokens);
    const traces::TraceReader trace(folder_ / "out.h5");
    EXPECT_EQ(trace.info().levels.to_string(), "tokens,stats,attention");
    EXPECT_TRUE(trace.status().complete);
    EXPECT_THROW(trace.require({.tokens = false, .stats = false, .attention = false, .qkv = true}),
                 traces::MissingLevel);
  }
}

TEST_F(Import, of_q_k_and_v_keeps_them_and_recomputes_the_rows) {
  recording_->write_vectors(folder_ / "qkv.safetensors");
  recording_->write_steps(folder_ / "steps.npz");
  for (const char* rows : {"", "steps.npz"}) {
    SCOPED_TRACE(rows);
    const ImportReport report = import(rows, "qkv.safetensors");
    EXPECT_EQ(report.disagreement.has_value(), *rows != '\0');
    EXPECT_LT(report.disagreement.value_or(0), 2e-6);
    const TraceDifference off = difference();
    EXPECT_TRUE(off.same_vectors);
    EXPECT_TRUE(off.same_tokens);
    EXPECT_LT(off.rows, 2e-6);  // fp32 here, fp64 there
    EXPECT_LT(off.statistics, 2e-5);
    EXPECT_LE(off.demand, 1);
    EXPECT_LE(off.demand_share, 0.001);
  }
}

TEST_F(Import, gives_the_same_content_for_any_number_of_threads) {
  recording_->write_vectors(folder_ / "qkv.safetensors");
  std::vector<std::string> hashes;
  for (const unsigned threads : {1U, 3U}) {
    wanted_.threads = threads;
    import("", "qkv.safetensors");
    hashes.push_back(traces::TraceReader(folder_ / "out.h5").content_sha256());
  }
  EXPECT_EQ(hashes[0], hashes[1]);
}

TEST_F(Import, says_where_the_trace_comes_from) {
  recording_->write_layers(folder_ / "layers.npz");
  wanted_.command_line = "kvwave import x";
  import("layers.npz", "");
  const traces::TraceReader trace(folder_ / "out.h5");
  const auto imported = nlohmann::json::parse(trace.info().imported);
  EXPECT_EQ(imported.at("program"), "another program 1.0");
  EXPECT_EQ(imported.at("rows"), "given");
  EXPECT_EQ(imported.at("files").size(), 2U);
  EXPECT_EQ(imported.at("files").at("layers.npz").get<std::string>().size(), 64U);
  EXPECT_EQ(trace.info().attention_kernel, "another program 1.0");
  EXPECT_EQ(trace.info().command_line, "kvwave import x");
  EXPECT_EQ(trace.info().model_sha256.size(), 64U);
  EXPECT_EQ(traces::TraceReader(folder_ / "source.h5").info().imported, "");
}

TEST_F(Import, leaves_out_a_last_token_that_was_never_fed) {
  recording_->facts["tokens"]["ids"].push_back(5);
  recording_->facts["tokens"]["logprobs"].push_back(-1);
  recording_->facts["tokens"]["pieces"].push_back("end");
  recording_->write_steps(folder_ / "steps.npz");
  EXPECT_TRUE(import("steps.npz", "").last_token_left_out);
  EXPECT_TRUE(difference().same_tokens);
  recording_->facts["tokens"]["ids"].push_back(6);
  recording_->facts["tokens"].erase("logprobs");
  recording_->facts["tokens"].erase("pieces");
  expect_refusal<RecordingShape>("42 token ids, expected 40 (or 41", "steps.npz");
}

TEST_F(Import, rows_of_sixteen_bit_types_are_divided_by_their_sum) {
  for (std::uint32_t row = 0; row < 40; ++row) {
    for (std::uint32_t i = 0; i <= row; ++i) {
      float& value = recording_->at(0, 0, row, i);
      value = kernels::f16_to_f32(kernels::f32_to_f16(value));
    }
  }
  recording_->write_layers(folder_ / "layers.npz");
  expect_refusal<BadRowSum>("layer 0, q_head 0, row", "layers.npz");
  recording_->facts["model"]["dtype"] = "float16";
  import("layers.npz", "");
  EXPECT_LT(difference().rows, 1e-3);
  const traces::TraceReader trace(folder_ / "out.h5");
  EXPECT_EQ(trace.info().compute_dtype, "f16");
  traces::AttentionRows rows;
  trace.attention(39, rows);
  double sum = 0;
  for (const float value : rows.row(0, 0).prob) sum += double{value};
  EXPECT_NEAR(sum, 1, 1e-6);
}

TEST_F(Import, refuses_rows_that_are_no_attention_naming_layer_q_head_and_row) {
  const std::string where = "rows.npz: array 'layer_1': layer 1, q_head 2, row 7: ";
  expect_row_refusal<RecordingNotFinite>(NAN, 3, where + "position 3: expected a finite number, got nan");
  expect_row_refusal<RecordingNotFinite>(INFINITY, 3, where + "position 3: expected a finite number, got inf");
  expect_row_refusal<NegativeMass>(-0.25F, 3, where + "position 3: expected 0 or more, got -0.25");
  expect_row_refusal<MassAhead>(0.5F, 8, where + "position 8 comes after the row's own: expected 0, got 0.5");
  expect_row_refusal<BadRowSum>(0.9999F, 0, where + "sum 1.");
}

TEST_F(Import, refuses_rows_that_do_not_follow_from_q_and_k) {
  recording_->write_vectors(folder_ / "qkv.safetensors", [](const std::string& name, std::vector<float>& values) {
    if (name == "layers.1.q") values[(2 * 40 + 20) * 8] += 0.5F;  // q_head 2, row 20
  });
  recording_->write_layers(folder_ / "rows.npz");
  expect_refusal<RowsDisagree>("layer 1, q_head 2, row 20, position ", "rows.npz", "qkv.safetensors");
  recording_->facts["model"]["scaling"] = 0.125;
  expect_refusal<BadRecording>("scaling of q.k is 0.125, expected 1 / sqrt(head_dim) = 0.353553391", "",
                               "qkv.safetensors");
  import("rows.npz", "");
}

TEST_F(Import, refuses_vectors_that_are_not_finite) {
  for (const float bad : {NAN, INFINITY}) {
    recording_->write_vectors(folder_ / "qkv.safetensors", [&](const std::string& name, std::vector<float>& values) {
      if (name == "layers.2.k") values[(40 + 3) * 8 + 1] = bad;
    });
    expect_refusal<RecordingNotFinite>("layer 2, kv_head 1, row 3: k holds NaN or infinity", "", "qkv.safetensors");
  }
  recording_->write_vectors(folder_ / "qkv.safetensors", [](const std::string&, std::vector<float>& values) {
    std::fill(values.begin(), values.end(), 3e38F);
  });
  expect_refusal<RecordingNotFinite>("entries of softmax(q.k / sqrt(d)) are not finite", "", "qkv.safetensors");
}

TEST_F(Import, refuses_arrays_that_are_missing_doubled_or_of_other_extents) {
  const auto archive = [&](const std::function<void(ZipBuilder&)>& fill) {
    ZipBuilder zip;
    fill(zip);
    testing::write_bytes(folder_ / "rows.npz", zip.finish());
  };
  RecordingBuilder& r = *recording_;
  archive([&](ZipBuilder& z) {
    z.add("layer_0.npy", r.layer(0)).name = "layer_0.npy";
    z.add("layer_2.npy", r.layer(2));
  });
  expect_refusal<MissingArray>("rows.npz: layer 1 is missing; the model has 3 layers", "rows.npz");
  archive([&](ZipBuilder& z) {
    z.add("layer_0.npy", r.layer(0));
    z.add("layer_00.npy", r.layer(0));
  });
  expect_refusal<BadRecording>("array 'layer_00': the same rows as 'layer_0'", "rows.npz");
  archive([&](ZipBuilder& z) {
    z.add("layer_3.npy", r.layer(0));
    z.add("layer_0.npy", r.layer(0));
  });
  expect_refusal<BadRecording>("layer 3, but the model has layers 0 to 2", "rows.npz");
  archive([&](ZipBuilder& z) {
    z.add("layer_0.npy", r.layer(0));
    z.add("weights.npy", r.layer(0));
  });
  expect_refusal<BadRecording>("array 'weights' is not expected", "rows.npz");
  archive([&](ZipBuilder& z) {
    z.add("layer_0.npy", r.layer(0));
    z.add("step_0_layer_1.npy", r.layer(1));
  });
  expect_refusal<BadRecording>("arrays of whole layers and of steps are mixed", "rows.npz");
  archive([&](ZipBuilder& z) {
    for (int l = 0; l < 3; ++l) {
      z.add("step_0_layer_" + std::to_string(l) + ".npy", r.step(static_cast<std::uint32_t>(l), 0, 12));
      if (l != 1) z.add("step_1_layer_" + std::to_string(l) + ".npy", r.step(static_cast<std::uint32_t>(l), 12, 13));
    }
  });
  expect_refusal<RecordingShape>("layer 1 ends at row 12, expected 13 as in layer 0", "rows.npz");
  archive([&](ZipBuilder& z) {
    z.add("step_0_layer_0.npy", r.step(0, 0, 12));
    z.add("step_2_layer_0.npy", r.step(0, 12, 13));
  });
  expect_refusal<MissingArray>("step 1 of layer 0 is missing", "rows.npz");
  archive([&](ZipBuilder& z) {
    z.add("step_0_layer_0.npy", r.step(0, 0, 12));
    z.add("step_1_layer_0.npy", r.step(0, 13, 14));
  });
  expect_refusal<RecordingShape>("has shape [1, 4, 1, 14], expected [1, 4, n, 12 + n]", "rows.npz");
  archive([&](ZipBuilder& z) { z.add("attentions.npy", r.layer(0)); });
  expect_refusal<RecordingShape>("has shape [1, 4, 40, 40], expected [3, 1, 4, P, P]", "rows.npz");
  testing::write_bytes(folder_ / "rows.npz", "no archive");
  expect_refusal<BadRecording>("rows.npz: neither .npy nor .npz: is no zip archive", "rows.npz");
  archive([](ZipBuilder&) {});
  expect_refusal<MissingArray>("rows.npz: the archive holds no array", "rows.npz");
  fs::create_directory(folder_ / "empty");
  expect_refusal<MissingArray>("the folder holds no .npy file", "empty");
  expect_refusal<BadModelFile>("cannot open recording", "absent.npz");
}

TEST_F(Import, refuses_heads_that_the_facts_do_not_name) {
  recording_->write_vectors(folder_ / "qkv.safetensors");
  recording_->write_layers(folder_ / "rows.npz");
  recording_->facts["model"]["n_kv_heads"] = 4;
  expect_refusal<RecordingShape>("tensor 'layers.0.k' has shape [1, 2, 40, 8], expected [1, 4, 40, 8]", "",
                                 "qkv.safetensors");
  recording_->facts["model"]["n_kv_heads"] = 3;
  expect_refusal<BadModelFile>("n_q_heads is 4, expected a multiple of n_kv_heads 3", "rows.npz");
  recording_->facts["model"]["n_kv_heads"] = 2;
  recording_->facts["model"]["n_q_heads"] = 8;
  expect_refusal<RecordingShape>("has shape [1, 4, 40, 40], expected [1, 8, n, n]", "rows.npz");
  recording_->facts["model"]["n_q_heads"] = 4;
  recording_->facts["model"]["n_layers"] = 4;
  expect_refusal<MissingArray>("tensor 'layers.3.q' is missing; the model has 4 layers", "", "qkv.safetensors");
  recording_->facts["model"]["n_layers"] = 2;
  expect_refusal<BadRecording>("tensor 'layers.2.q': the model has layers 0 to 1", "", "qkv.safetensors");
}

TEST_F(Import, refuses_facts_that_are_missing_or_impossible) {
  recording_->write_layers(folder_ / "rows.npz");
  const nlohmann::json good = recording_->facts;
  const auto expect = [&](const char* pointer, const nlohmann::json& value, const std::string& part) {
    recording_->facts = good;
    recording_->facts[nlohmann::json::json_pointer(pointer)] = value;
    SCOPED_TRACE(pointer);
    expect_refusal<BadModelFile>(part, "rows.npz");
  };
  expect("/kvwave_recording", 2, "field 'kvwave_recording' is 2, expected 1 to 1");
  expect("/program", nullptr, "field 'program' is missing");
  expect("/model", 7, "field 'model' should be an object, got number");
  expect("/model/dtype", "int8", "field 'dtype' is 'int8', expected one of float32, float16, bfloat16");
  expect("/model/head_dim", 0, "field 'head_dim' is 0, expected 1 to 65536");
  expect("/model/n_layers", nlohmann::json(), "field 'n_layers' is missing");
  expect("/model/sha256", "abc", "field 'sha256' should be 64 lower-case hex digits");
  expect("/tokens/n_prompt", 0, "field 'n_prompt' is 0, expected 1 to 40");
  expect("/tokens/ids", nlohmann::json::array(), "field 'ids' should be a list of at least one token id");
  expect("/tokens/ids/3", -4, "entry 3 of 'ids' should be a token id from 0 to ");
  expect("/tokens/logprobs/0", 0.5, "entry 0 of 'logprobs' should be a finite number up to 0");
  expect("/tokens/logprobs", nlohmann::json::array({-1}), "field 'logprobs' has 1 entries, expected 28");
  expect("/tokens/pieces/1", 5, "entry 1 of 'pieces' should be a string");
  expect("/stop_reason", "bored", "field 'stop_reason' is 'bored', expected one of end_token, ");
}

TEST_F(Import, refuses_levels_that_the_recording_cannot_give) {
  recording_->write_layers(folder_ / "rows.npz");
  recording_->write_facts(folder_ / "recording.json");
  EXPECT_THROW(import_recording(sources("rows.npz", ""), wanted_, folder_ / "out.h5"), BadRecording);
  EXPECT_THROW(import_recording(sources("", ""), wanted_, folder_ / "out.h5"), BadRecording);
  EXPECT_FALSE(fs::exists(folder_ / "out.h5"));
}

}  // namespace
}  // namespace kvwave::capture
