// What transformers recorded (tests/fixtures/make_recording_fixture.py, through docs/attention_hook.py) beside kvwave's
// own capture of the same model and tokens. KVWAVE_RECORDINGS names a folder with other recordings of the same models.
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>

#include <gtest/gtest.h>

#include "capture/import_trace.h"
#include "capture/model.h"
#include "capture/recording_facts.h"
#include "capture/session.h"
#include "capture/tokenizer.h"
#include "tests/capture/trace_comparison.h"
#include "tests/temporary_folder.h"
#include "traces/writer.h"

namespace kvwave::capture {
namespace {

namespace fs = std::filesystem;
using testing::TraceDifference;

class ForeignRecording : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    // Recordings made by hand may be of some models only; those of the repository must be there.
    if (std::getenv("KVWAVE_RECORDINGS") != nullptr && !fs::exists(recording_)) {
      GTEST_SKIP() << recording_ << " is not there";
    }
    ASSERT_TRUE(fs::exists(recording_)) << recording_;
    record_.epsilon = 0;
    record_.attention_dtype = traces::FloatType::f32;
  }
  static fs::path recordings() {
    const char* given = std::getenv("KVWAVE_RECORDINGS");
    return given != nullptr ? fs::path(given) : fs::path(KVWAVE_TEST_DATA) / "recordings";
  }

  traces::TraceReader import(bool rows, bool vectors) {
    ImportSources sources{recording_ / "recording.json", std::nullopt, std::nullopt, std::nullopt};
    if (rows) sources.attentions = recording_ / "attentions.npz";
    if (vectors) sources.vectors = recording_ / "qkv.safetensors";
    ImportOptions options;
    options.record = record_;
    options.record.levels.qkv = vectors;
    options.overwrite = true;
    options.threads = 1;
    report_ = import_recording(sources, options, folder_ / "imported.h5");
    return traces::TraceReader(folder_ / "imported.h5");
  }

  traces::TraceReader capture() const {
    const RecordingFacts facts = read_recording_facts(recording_ / "recording.json");
    const Model model = Model::load(model_);
    const Tokenizer tokenizer(model.tokenizer_data());
    kernels::ThreadPool pool(1);
    DecodeOptions decode;
    decode.cache_type = CacheType::f32;
    PromptTokens tokens;
    tokens.ids.assign(facts.ids.begin(), facts.ids.begin() + facts.n_prompt);
    tokens.continuation.emplace(facts.ids.begin() + facts.n_prompt, facts.ids.end());
    Session session(model, tokenizer, pool, decode);
    const traces::TraceInfo info = describe_trace(model, tokens, decode, record_, {});
    traces::TraceWriter writer(folder_ / "captured.h5", info, {.overwrite = true});
    session.run(tokens, plan_run(tokens, decode, model.config().context_length), {}, &info, &writer);
    return traces::TraceReader(folder_ / "captured.h5");
  }

  TemporaryFolder folder_;
  const fs::path recording_ = recordings() / GetParam(), model_ = fs::path(KVWAVE_TEST_DATA) / "models" / GetParam();
  RecordOptions record_;
  ImportReport report_;
};

// Bounds: ten times what was seen when this was written.
void expect_close(const TraceDifference& off) {
  std::cout << "largest difference: rows " << off.rows << ", statistics " << off.statistics << ", demand " << off.demand
            << " (in " << off.demand_share << " of all), q, k and v " << off.vectors << ", log probabilities "
            << off.logprobs << "\n";
  EXPECT_LT(off.rows, 5e-5);
  EXPECT_LT(off.statistics, 1e-4);
  EXPECT_LE(off.demand, 1);
  EXPECT_LT(off.demand_share, 0.002);
  EXPECT_LT(off.vectors, 1e-4);
  EXPECT_LT(off.logprobs, 1e-4);
}

TEST_P(ForeignRecording, has_the_statistics_of_our_own_capture) {
  const traces::TraceReader own = capture();
  for (const auto& [rows, vectors] : {std::pair(true, true), {true, false}, {false, true}}) {
    SCOPED_TRACE(rows ? vectors ? "rows, q, k and v" : "rows" : "q, k and v");
    const traces::TraceReader imported = import(rows, vectors);
    EXPECT_EQ(imported.n_positions(), own.n_positions());
    EXPECT_EQ(imported.info().n_prompt, own.info().n_prompt);
    EXPECT_EQ(imported.info().prompt_sha256, own.info().prompt_sha256);
    EXPECT_EQ(imported.info().architecture, own.info().architecture);
    EXPECT_LT(report_.disagreement.value_or(0), 2e-5);
    expect_close(testing::compare_traces(own, imported));
  }
}

INSTANTIATE_TEST_SUITE_P(Models, ForeignRecording, ::testing::Values("llama", "mistral", "qwen2", "qwen3"),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace kvwave::capture
