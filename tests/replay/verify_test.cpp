#include "replay/verify.h"

#include <cstring>

#include <gtest/gtest.h>

#include "tests/replay/synthetic_trace.h"
#include "traces/sha256.h"

namespace kvwave::replay {
namespace {

class VerifyTrace : public testing::Test {
 protected:
  VerifyReport report(const SyntheticOptions& options, const RowEdit& edit = {}, const VerifyOptions& how = {}) {
    write_synthetic(folder_ / "t.h5", options, edit);
    return verify(traces::TraceReader(folder_ / "t.h5"), how);
  }

  static const Check* find(const VerifyReport& report, const std::string& name) {
    for (const Check& check : report.checks) {
      if (check.name == name) return &check;
    }
    return nullptr;
  }

  static std::vector<std::string> failed(const VerifyReport& report) {
    std::vector<std::string> names;
    for (const Check& check : report.checks) {
      if (check.outside > 0) names.push_back(check.name);
    }
    return names;
  }

  TemporaryFolder folder_;
};

using Names = std::vector<std::string>;

TEST_F(VerifyTrace, passes_what_a_recorder_would_write) {
  for (const traces::FloatType qkv : {traces::FloatType::f16, traces::FloatType::f32}) {
    for (const traces::FloatType attention : {traces::FloatType::f16, traces::FloatType::f32}) {
      for (const double epsilon : {0.0, 1e-3, 1e-2, 0.3}) {
        SyntheticOptions options;
        options.qkv_dtype = qkv;
        options.attention_dtype = attention;
        options.epsilon = epsilon;
        const VerifyReport r = report(options);
        EXPECT_EQ(failed(r), Names{}) << "epsilon " << epsilon;
        EXPECT_TRUE(r.skipped.empty());
        EXPECT_EQ(r.n_rows, 68U) << "8 prompt rows and 60 decode rows";
        EXPECT_EQ(find(r, "demand N(rho) of softmax(q.k)")->compared, 68U * 3 * 4 * 6);
      }
    }
  }
}

TEST_F(VerifyTrace, passes_peaked_and_flat_rows) {
  for (const float sharpness : {0.01F, 8.0F, 40.0F}) {
    SyntheticOptions options;
    options.sharpness = sharpness;
    EXPECT_EQ(failed(report(options)), Names{}) << sharpness;
  }
}

TEST_F(VerifyTrace, finds_one_changed_probability_and_names_its_place) {
  SyntheticOptions options;
  options.attention_dtype = traces::FloatType::f32;
  const VerifyReport r = report(options, [](traces::TraceRow& row) {
    if (row.position != 50) return;
    // Layer 1, q_head 2: its first entry follows those of the rows before it.
    std::size_t at = 0;
    for (std::size_t i = 0; i < 1 * 4 + 2; ++i) at += row.attention_count[i];
    float prob = 0;
    std::memcpy(&prob, row.attention_prob.data() + at * 4, 4);
    prob *= 0.999F;
    std::memcpy(row.attention_prob.data() + at * 4, &prob, 4);
  });
  EXPECT_EQ(find(r, "residual = 1 - stored mass")->outside, 1U);
  const Check* check = find(r, "attention prob = softmax(q.k)");
  EXPECT_EQ(check->outside, 1U);
  EXPECT_EQ(check->place, (Place{50, 1, 2}));
  EXPECT_GT(check->difference, check->allowed);
}

TEST_F(VerifyTrace, finds_one_flipped_bit_of_a_half_precision_probability) {
  const VerifyReport r = report({}, [](traces::TraceRow& row) {
    if (row.position == 70) row.attention_prob[0] ^= std::byte{4};
  });
  EXPECT_FALSE(r.passed());
  EXPECT_EQ(find(r, "attention prob = softmax(q.k)")->place, (Place{70, 0, 0}));
}

TEST_F(VerifyTrace, finds_one_changed_key_value) {
  const VerifyReport r = report({}, [](traces::TraceRow& row) {
    if (row.position != 40) return;
    // Layer 2, kv_head 1, channel 3.
    float value = 0;
    std::byte* at = row.k.data() + 4 * ((2 * 2 + 1) * 8 + 3);
    std::memcpy(&value, at, 4);
    value += 0.5F;
    std::memcpy(at, &value, 4);
  });
  const Check* check = find(r, "attention prob = softmax(q.k)");
  EXPECT_GT(check->outside, 0U);
  EXPECT_EQ(check->place->layer, 2U);
  EXPECT_GE(check->place->position, 40U);
  EXPECT_GE(check->place->q_head, 2U) << "q_heads 2 and 3 read kv_head 1";
}

TEST_F(VerifyTrace, finds_one_wrong_demand_with_and_without_q_and_k) {
  const auto edit = [](traces::TraceRow& row) {
    if (row.position == 60) row.demand[(2 * 4 + 3) * 6 + 3] += 2;
  };
  const VerifyReport with = report({}, edit);
  EXPECT_EQ(find(with, "demand N(rho) of softmax(q.k)")->outside, 1U);
  EXPECT_EQ(find(with, "demand N(rho) of softmax(q.k)")->place, (Place{60, 2, 3}));

  SyntheticOptions options;
  options.levels.qkv = false;
  const VerifyReport without = report(options, edit);
  EXPECT_EQ(failed(without), Names{"stats within stored rows"});
  EXPECT_EQ(find(without, "stats within stored rows")->place, (Place{60, 2, 3}));
  EXPECT_EQ(without.skipped.size(), 2U);
}

TEST_F(VerifyTrace, finds_each_wrong_statistic) {
  const auto failed_after = [&](const RowEdit& edit) {
    const Names names = failed(report({}, edit));
    return names.empty() ? "" : names.front();
  };
  EXPECT_EQ(failed_after([](auto& row) {
              if (row.position == 30) row.entropy[5] += 1e-3F;
            }),
            "entropy of softmax(q.k)");
  EXPECT_EQ(failed_after([](auto& row) {
              if (row.position == 30) row.sink_mass[5] += 1e-4F;
            }),
            "sink mass of softmax(q.k)");
  EXPECT_EQ(failed_after([](auto& row) {
              if (row.position == 30) row.recent_mass[5] -= 1e-4F;
            }),
            "recent mass of softmax(q.k)");
  EXPECT_EQ(failed_after([](auto& row) {
              if (row.position == 30) row.max_prob[5] += 1e-4F;
            }),
            "max prob of softmax(q.k)");
  EXPECT_EQ(failed_after([](auto& row) {
              if (row.position == 30) row.attention_residual[5] += 1e-5F;
            }),
            "residual = 1 - stored mass");
  EXPECT_EQ(failed_after([](auto& row) { row.nan_count = row.position == 30 ? 1 : 0; }),
            "values met while recording are finite");
}

TEST_F(VerifyTrace, finds_a_stored_set_that_is_too_small_or_too_large) {
  // Recorded with another epsilon than the file says.
  SyntheticOptions options;
  write_synthetic(folder_ / "loose.h5", options);
  std::vector<traces::TraceRow> rows;
  for (const double epsilon : {0.2, 1e-4}) {
    options.epsilon = epsilon;
    rows.clear();
    report(options, [&](traces::TraceRow& row) { rows.push_back(row); });
    options.epsilon = 1e-2;
    const VerifyReport r = report(options, [&](traces::TraceRow& row) {
      row.attention_count = rows[row.position].attention_count;
      row.attention_residual = rows[row.position].attention_residual;
      row.attention_position = rows[row.position].attention_position;
      row.attention_prob = rows[row.position].attention_prob;
    });
    EXPECT_EQ(failed(r), Names{"stored set covers 1 - epsilon"}) << epsilon;
  }
}

TEST_F(VerifyTrace, finds_token_ids_outside_the_vocabulary_and_bad_logprobs) {
  const VerifyReport r = report({}, [](traces::TraceRow& row) {
    if (row.position == 33) row.token_id = 100;
    if (row.position == 34) row.logprob = 0.5F;
  });
  EXPECT_EQ(failed(r), (Names{"token ids in the vocabulary", "token logprobs (prompt NaN, then <= 0)"}));
  EXPECT_EQ(find(r, "token ids in the vocabulary")->note, "first at position 33: id 100");
}

TEST_F(VerifyTrace, finds_a_prompt_that_is_not_the_hashed_one) {
  const VerifyReport r = report({}, [](traces::TraceRow& row) {
    if (row.position == 3) row.token_id ^= 1;
  });
  EXPECT_EQ(failed(r), Names{"prompt hash"});
}

TEST_F(VerifyTrace, reports_values_that_are_not_finite) {
  const VerifyReport r = report({}, [](traces::TraceRow& row) {
    if (row.position == 40) std::memset(row.k.data() + 64, 0xFF, 4);
  });
  ASSERT_EQ(failed(r), Names{"data are readable"});
  EXPECT_NE(r.checks.back().note.find("not finite at position 40"), std::string::npos);
}

TEST_F(VerifyTrace, works_with_any_subset_of_levels) {
  for (unsigned bits = 1; bits < 16; ++bits) {
    SyntheticOptions options;
    options.levels = {(bits & 1U) != 0, (bits & 2U) != 0, (bits & 4U) != 0, (bits & 8U) != 0};
    const VerifyReport r = report(options);
    EXPECT_EQ(failed(r), Names{}) << options.levels.to_string();
    EXPECT_EQ(r.skipped.empty(), bits == 15U) << options.levels.to_string();
    EXPECT_EQ(find(r, "attention prob = softmax(q.k)") != nullptr, options.levels.attention && options.levels.qkv);
  }
}

TEST_F(VerifyTrace, samples_evenly_with_the_first_and_the_last_row) {
  write_synthetic(folder_ / "t.h5", {});
  const traces::TraceReader reader(folder_ / "t.h5");
  EXPECT_EQ(rows_to_verify(reader, 3), (std::vector<std::uint32_t>{12, 45, 79}));
  EXPECT_EQ(rows_to_verify(reader, 1), (std::vector<std::uint32_t>{79}));
  EXPECT_EQ(rows_to_verify(reader, 0).size(), 68U);
  EXPECT_EQ(rows_to_verify(reader, 4'000'000'000U).size(), 68U);
  VerifyOptions how;
  how.max_rows = 5;
  EXPECT_EQ(verify(reader, how).n_rows, 5U);
}

TEST_F(VerifyTrace, gives_the_same_report_for_any_number_of_threads) {
  write_synthetic(folder_ / "t.h5", {}, [](traces::TraceRow& row) {
    if (row.position == 40) row.attention_prob[1] ^= std::byte{1};
  });
  const traces::TraceReader reader(folder_ / "t.h5");
  VerifyOptions how;
  how.n_threads = 1;
  const VerifyReport one = verify(reader, how);
  how.n_threads = 3;
  const VerifyReport three = verify(reader, how);
  ASSERT_EQ(one.checks.size(), three.checks.size());
  for (std::size_t i = 0; i < one.checks.size(); ++i) {
    EXPECT_EQ(one.checks[i].difference, three.checks[i].difference) << one.checks[i].name;
    EXPECT_EQ(one.checks[i].place, three.checks[i].place) << one.checks[i].name;
    EXPECT_EQ(one.checks[i].outside, three.checks[i].outside) << one.checks[i].name;
  }
}

}  // namespace
}  // namespace kvwave::replay
