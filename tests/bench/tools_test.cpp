// The programs that make models and traces: what they write is read back by kvwave's own readers.
#include <cmath>
#include <cstdlib>
#include <string>
#include <sys/wait.h>
#include <vector>

#include <gtest/gtest.h>

#include "capture/decoder.h"
#include "capture/model.h"
#include "capture/tokenizer.h"
#include "tests/temporary_folder.h"
#include "traces/reader.h"

namespace kvwave::bench {
namespace {

class MadeOnTheSpot : public ::testing::Test {
 protected:
  int run(const std::string& program, const std::string& options) const {
    const int status = std::system(("'" + program + "' " + options + " 2>/dev/null").c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  TemporaryFolder folder_;
};

const std::string kTinyTrace =
    " --steps 40 --prompt 12 --layers 3 --q-heads 4 --kv-heads 2 --head-dim 16 --levels tokens,stats,attention,qkv "
    "--entries 5";

TEST_F(MadeOnTheSpot, traces_hold_every_level_of_every_row) {
  ASSERT_EQ(run(MAKE_LONG_TRACE, "-o " + path("a.h5") + kTinyTrace), 0);
  const traces::TraceReader trace(path("a.h5"));
  EXPECT_EQ(trace.n_positions(), 52U);
  EXPECT_EQ(trace.n_steps(), 40U);
  EXPECT_EQ(trace.shape(), (traces::ModelShape{3, 4, 2, 16}));
  traces::AttentionRows rows;
  for (std::uint32_t position = 0; position < trace.n_positions(); ++position) {
    trace.attention(position, rows);
    for (std::uint32_t q_head = 0; q_head < 4; ++q_head) {
      const auto row = rows.row(1, q_head);
      ASSERT_EQ(row.prob.size(), std::min(5U, position + 1));
      double sum = 0;
      for (std::size_t i = 0; i < row.prob.size(); ++i) {
        sum += double{row.prob[i]};
        EXPECT_LE(row.position[i], position);
        if (i > 0) {
          EXPECT_LT(row.position[i - 1], row.position[i]);
        }
      }
      EXPECT_GE(sum + double{row.residual}, 1.0);
      EXPECT_LT(sum + double{row.residual}, 1.0 + 1e-6);
    }
  }
}

TEST_F(MadeOnTheSpot, traces_are_equal_for_equal_seeds) {
  ASSERT_EQ(run(MAKE_LONG_TRACE, "-o " + path("a.h5") + kTinyTrace), 0);
  ASSERT_EQ(run(MAKE_LONG_TRACE, "-o " + path("b.h5") + kTinyTrace), 0);
  ASSERT_EQ(run(MAKE_LONG_TRACE, "-o " + path("c.h5") + kTinyTrace + " --seed 2"), 0);
  const std::string first = traces::TraceReader(path("a.h5")).content_sha256();
  EXPECT_EQ(traces::TraceReader(path("b.h5")).content_sha256(), first);
  EXPECT_NE(traces::TraceReader(path("c.h5")).content_sha256(), first);
}

TEST_F(MadeOnTheSpot, models_of_every_type_load_and_decode) {
  kernels::ThreadPool pool(1);
  for (const std::string type : {"F32", "F16", "BF16", "Q8_0", "Q4_K", "Q6_K", "Q2_K", "Q3_K", "IQ4_NL", "MXFP4"}) {
    const std::string file = path(type + ".gguf");
    ASSERT_EQ(run(MAKE_RANDOM_MODEL, "-o " + file + " --type " + type +
                                         " --layers 2 --hidden 256 --ffn 512 --q-heads 4 --kv-heads 2 --head-dim 64 "
                                         "--vocab 300"),
              0);
    const capture::Model model = capture::Model::load(file);
    EXPECT_EQ(model.config().vocab_size, 300U);
    EXPECT_FALSE(model.config().tied_output);
    EXPECT_NO_THROW(capture::Tokenizer(model.tokenizer_data()));
    capture::Decoder decoder(model, {}, pool);
    const std::vector<std::int32_t> tokens = {5, 17, 299};
    double square = 0;
    for (const float logit : decoder.feed(tokens, nullptr)) square += double{logit} * double{logit};
    const double deviation = std::sqrt(square / 300);
    EXPECT_GT(deviation, 0.1) << type;
    EXPECT_LT(deviation, 10) << type;
  }
}

TEST_F(MadeOnTheSpot, models_of_known_shapes_have_their_architecture_and_mixtures_their_types) {
  const std::string small = " --layers 8 --hidden 256 --ffn 512 --q-heads 4 --kv-heads 2 --head-dim 64 --vocab 300";
  ASSERT_EQ(run(MAKE_RANDOM_MODEL, "-o " + path("a.gguf") + " --shape 14B --type Q4_K_M" + small), 0);
  const capture::Model model = capture::Model::load(path("a.gguf"));
  EXPECT_EQ(model.config().architecture, "qwen2");
  // More bits in the output and in v and down of layers 0, 3, 6 and 7.
  EXPECT_EQ(model.tensors_by_type().at("Q6_K"), 1U + 2 * 4);
  EXPECT_EQ(model.tensors_by_type().at("Q4_K"), 1U + 8 * 7 - 2 * 4);
  EXPECT_EQ(run(MAKE_RANDOM_MODEL, "-o " + path("b.gguf") + " --shape 9B"), 2);
}

TEST_F(MadeOnTheSpot, mistakes_are_usage_errors_and_leave_no_file) {
  EXPECT_EQ(run(MAKE_LONG_TRACE, "--steps 4"), 2);
  EXPECT_EQ(run(MAKE_LONG_TRACE, "-o " + path("a.h5") + " --q-heads 3 --kv-heads 2"), 2);
  EXPECT_EQ(run(MAKE_RANDOM_MODEL, "-o " + path("a.gguf") + " --type Q9"), 2);
  EXPECT_EQ(run(MAKE_RANDOM_MODEL, "-o " + path("a.gguf") + " --type Q4_K --hidden 300"), 2);
  EXPECT_FALSE(std::filesystem::exists(path("a.h5")));
  EXPECT_FALSE(std::filesystem::exists(path("a.gguf")));
}

}  // namespace
}  // namespace kvwave::bench
