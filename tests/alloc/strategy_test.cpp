#include "alloc/strategy.h"

#include <algorithm>
#include <random>

#include <gtest/gtest.h>

#include "alloc/error.h"
#include "alloc/refresh_rule.h"

namespace kvwave::alloc {
namespace {

TEST(Strategy, fills_in_defaults) {
  const Strategy strategy = Strategy::parse("reasonalloc:mu=0.1/rkv");
  EXPECT_EQ(strategy.allocator.name, "reasonalloc");
  EXPECT_EQ(strategy.allocator.real("mu"), 0.1);
  EXPECT_EQ(strategy.allocator.real("gamma"), 0.5);
  EXPECT_EQ(strategy.allocator.word("operator"), "literal");
  EXPECT_EQ(strategy.scorer.real("lambda"), 0.1);
  EXPECT_EQ(strategy.scorer.integer("window"), 8);
  EXPECT_FALSE(strategy.is_full());
}

TEST(Strategy, prints_short_and_full_texts) {
  const Strategy strategy = Strategy::parse("pyramid/snapkv:window=16,kernel=5");
  EXPECT_EQ(strategy.short_text(), "pyramid/snapkv:kernel=5,window=16");
  EXPECT_EQ(strategy.full_text(),
            "pyramid:beta=20,total=exact,length=growing/"
            "snapkv:kernel=5,precision=fp32,window=16,buffer=128,prompt=cut,protect=none,trigger=position,cut=after,"
            "content=all,order=score");
}

TEST(Strategy, full_stands_alone) {
  const Strategy full = Strategy::parse("full");
  EXPECT_TRUE(full.is_full());
  EXPECT_EQ(full.full_text(), "full");
  EXPECT_EQ(full.short_text(), "full");
  EXPECT_EQ(full.scorer.name, "");
}

TEST(Strategy, spells_equal_numbers_equally) {
  const Strategy plain = Strategy::parse("uniform/rkv:lambda=0.25");
  for (const std::string text : {"0.250", "2.5e-1", "25e-2", ".25"}) {
    EXPECT_EQ(Strategy::parse("uniform/rkv:lambda=" + text), plain) << text;
  }
  EXPECT_EQ(Strategy::parse("uniform/rkv:threshold=-0").full_text(),
            Strategy::parse("uniform/rkv:threshold=0").full_text());
  EXPECT_EQ(Strategy::parse("uniform/rkv:window=008"), Strategy::parse("uniform/rkv"));
}

std::string random_value(const ParameterSpec& parameter, std::mt19937& random) {
  if (parameter.kind == ParameterKind::text) return random() % 2 == 0 ? "/some/folder/table.json" : "a=b:c.tsv";
  if (parameter.kind == ParameterKind::word) return std::string(parameter.words[random() % parameter.words.size()]);
  if (parameter.kind == ParameterKind::protection) {
    return Protection{.prompt = random() % 2 == 0,
                      .sinks = static_cast<std::uint32_t>(random() % 3),
                      .recent = static_cast<std::uint32_t>(random() % 3)}
        .text();
  }
  if (parameter.kind == ParameterKind::integer) {
    auto value = static_cast<long>(parameter.low) +
                 static_cast<long>(random() % (static_cast<unsigned long>(parameter.high - parameter.low) + 1));
    if (parameter.odd && value % 2 == 0) --value;
    return std::to_string(value);
  }
  return std::to_string(std::uniform_real_distribution<double>(parameter.low, parameter.high)(random));
}

std::string random_component(const ComponentSpec& spec, std::mt19937& random) {
  std::string text(spec.name);
  char separator = ':';
  std::vector<ParameterSpec> parameters = spec.parameters;
  std::shuffle(parameters.begin(), parameters.end(), random);
  for (const ParameterSpec& parameter : parameters) {
    if (random() % 2 == 0) continue;
    text += separator + std::string(parameter.key) + '=' + random_value(parameter, random);
    separator = ',';
  }
  return text;
}

TEST(Strategy, takes_protection_in_both_written_forms_and_prints_one) {
  const Strategy strategy = Strategy::parse("uniform/rkv:protect=sinks:4,recent:8,prompt,lambda=0.5");
  EXPECT_EQ(strategy.scorer.word("protect"), "sinks:4+recent:8+prompt");
  EXPECT_EQ(strategy.scorer.real("lambda"), 0.5);
  EXPECT_EQ(strategy.short_text(), "uniform/rkv:lambda=0.5,protect=sinks:4+recent:8+prompt");
  EXPECT_EQ(Strategy::parse(strategy.short_text()), strategy);
  EXPECT_EQ(Strategy::parse("uniform/rkv:protect=prompt+sinks:4").scorer.word("protect"), "sinks:4+prompt");
  EXPECT_EQ(Strategy::parse("uniform/rkv:protect=sinks:0").scorer.word("protect"), "none");
}

std::string message(std::string_view text) {
  try {
    Strategy::parse(text);
  } catch (const BadStrategy& error) {
    return error.what();
  }
  return "accepted";
}

TEST(Strategy, returns_from_its_printed_texts_for_random_settings) {
  const unsigned seed = 12345;
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 40; ++round) {
    for (const ComponentSpec& allocator : allocator_specs()) {
      for (const ComponentSpec& scorer : scorer_specs()) {
        const std::string text = random_component(allocator, random) + '/' + random_component(scorer, random);
        const std::string refusal = message(text);
        if (refusal.find("does not go together") != std::string::npos) continue;
        if (refusal.starts_with("h2o: form=mask masks")) continue;
        const Strategy strategy = Strategy::parse(text);
        EXPECT_EQ(Strategy::parse(strategy.full_text()), strategy) << text;
        EXPECT_EQ(Strategy::parse(strategy.short_text()), strategy) << text;
      }
    }
  }
}

std::string names_of(std::span<const ComponentSpec> specs) {
  std::string names;
  for (const ComponentSpec& spec : specs) names += (names.empty() ? "" : ", ") + std::string(spec.name);
  return names;
}

TEST(StrategyErrors, suggest_the_nearest_name) {
  EXPECT_EQ(message("unifrom/rkv"),
            "unknown allocator 'unifrom' (did you mean 'uniform'?); known: " + names_of(allocator_specs()));
  EXPECT_EQ(message("uniform/r-kv"), "unknown scorer 'r-kv' (did you mean 'rkv'?); known: " + names_of(scorer_specs()));
  EXPECT_EQ(message("uniform/rvk"), "unknown scorer 'rvk' (did you mean 'rkv'?); known: " + names_of(scorer_specs()))
      << "neighbours that changed places are one slip";
  EXPECT_EQ(message("uniform/nothing"), "unknown scorer 'nothing'; known: " + names_of(scorer_specs()));
  EXPECT_EQ(message("uniform/snapkv:kernal=5"),
            "snapkv has no parameter 'kernal' (did you mean 'kernel'?); it has kernel, precision, window, buffer, "
            "prompt, protect, trigger, cut, content, order");
  EXPECT_EQ(message("uniform/rkv:sign=minsu"),
            "rkv: expected sign=one of minus|plus, got 'minsu' (did you mean 'minus'?)");
  EXPECT_EQ(message("uniform/rkv:precision=fp23"),
            "rkv: expected precision=one of fp32|bf16, got 'fp23' (did you mean 'fp32'?)");
}

TEST(StrategyErrors, name_what_protection_takes) {
  const std::string form = "rkv: protect: expected none or items sinks:N, recent:N, prompt joined by + or ,, got ";
  EXPECT_EQ(message("uniform/rkv:protect=sink:4"), form + "'sink:4' (did you mean 'sinks'?)");
  EXPECT_EQ(message("uniform/rkv:protect=prompt:4"), form + "'prompt:4'");
  EXPECT_EQ(message("uniform/rkv:protect=sinks:4,recent"), form + "'recent'");
  EXPECT_EQ(message("uniform/rkv:protect="), form + "''");
  EXPECT_EQ(message("uniform/rkv:protect=sinks:-1"), "rkv: protect: expected a count in [0, 1000000] in 'sinks:-1'");
  EXPECT_EQ(message("uniform/rkv:protect=sinks:4+sinks:5"), "rkv: protect: 'sinks' is given twice");
}

TEST(StrategyErrors, name_the_range) {
  EXPECT_EQ(message("uniform/rkv:lambda=2"), "rkv: expected lambda=a number in [0, 1], got '2'");
  EXPECT_EQ(message("uniform/rkv:kernel=4"), "rkv: expected kernel=an integer in [1, 255], odd, got '4'");
  for (const std::string value : {"", "nan", "inf", "0.1x", " 0.1", "0x1p-3", "1e999", "+0.5", "-0.1"}) {
    EXPECT_EQ(message("uniform/rkv:lambda=" + value), "rkv: expected lambda=a number in [0, 1], got '" + value + "'");
  }
  for (const std::string value : {"", "8.0", "0", "99999999999999999999", "-1"}) {
    EXPECT_EQ(message("uniform/rkv:window=" + value),
              "rkv: expected window=an integer in [1, 4096], got '" + value + "'");
  }
}

TEST(StrategyErrors, tell_what_a_strategy_looks_like) {
  const std::string form = "expected ALLOCATOR[:key=value,...]/SCORER[:key=value,...] or full";
  EXPECT_EQ(message(""), "empty strategy: " + form);
  EXPECT_EQ(message("rkv"), "strategy 'rkv' has no '/' (did you mean 'uniform/rkv'?): " + form);
  EXPECT_EQ(message("pyramid"), "strategy 'pyramid' has no '/' (did you mean 'pyramid/rkv'?): " + form);
  EXPECT_EQ(message("ful"), "strategy 'ful' has no '/' (did you mean 'full'?): " + form);
  EXPECT_EQ(message("uniform/rkv/rkv"), "strategy 'uniform/rkv/rkv' has more than one '/': " + form);
  EXPECT_EQ(message("rkv/uniform"),
            "unknown allocator 'rkv' (allocator first, then scorer); known: " + names_of(allocator_specs()));
  EXPECT_EQ(message("uniform/"), "unknown scorer ''; known: " + names_of(scorer_specs()));
}

TEST(Strategy, takes_file_names_with_slashes) {
  const Strategy strategy = Strategy::parse("headkv:table=/a/b.c/heads.json,beta=2/rkv:lambda=0.5");
  EXPECT_EQ(strategy.allocator.word("table"), "/a/b.c/heads.json");
  EXPECT_EQ(strategy.short_text(), "headkv:table=/a/b.c/heads.json,beta=2/rkv:lambda=0.5");
  EXPECT_EQ(strategy.scorer.name, "rkv");
}

TEST(StrategyErrors, refuse_malformed_parameters) {
  EXPECT_EQ(message("uniform/rkv:"), "rkv: expected key=value, got ''");
  EXPECT_EQ(message("uniform/rkv:lambda"), "rkv: expected key=value, got 'lambda'");
  EXPECT_EQ(message("uniform/rkv:lambda=0.1,"), "rkv: expected key=value, got ''");
  EXPECT_EQ(message("uniform/rkv:lambda=0.1,lambda=0.1"), "rkv: parameter 'lambda' is given twice");
  EXPECT_EQ(message("uniform:beta=3/rkv"), "uniform takes no parameters, got 'beta=3'");
  EXPECT_EQ(message("full:x=1"),
            "strategy 'full:x=1' has no '/': expected "
            "ALLOCATOR[:key=value,...]/SCORER[:key=value,...] or full");
}

TEST(StrategyErrors, stay_on_one_short_line_whatever_the_text) {
  const std::string long_text(100'000, 'x');
  EXPECT_LT(message(long_text).size(), 300U);
  EXPECT_LT(message("uniform/rkv:lambda=" + long_text).size(), 300U);
  EXPECT_EQ(message("uni\nform/rkv").find('\n'), std::string::npos);
}

TEST(Component, refuses_keys_it_does_not_have) {
  EXPECT_THROW(Strategy::parse("uniform/rkv").scorer.real("gamma"), BadStrategy);
  EXPECT_THROW(Strategy::parse("uniform/rkv").scorer.real("sign"), BadStrategy);
}

}  // namespace
}  // namespace kvwave::alloc
