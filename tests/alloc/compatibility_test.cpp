#include "alloc/compatibility.h"

#include <gtest/gtest.h>

#include "alloc/error.h"
#include "tests/alloc/make_component.h"

namespace kvwave::alloc {
namespace {

TEST(Compatibility, of_every_pair_is_a_strategy_or_a_reason) {
  for (const ComponentSpec& where : allocator_specs()) {
    for (const ComponentSpec& which : scorer_specs()) {
      const std::string text = std::string(where.name) + "/" + std::string(which.name);
      const Component allocator = Strategy::parse(std::string(where.name) + "/rkv").allocator;
      const Component scorer = Strategy::parse("uniform/" + std::string(which.name)).scorer;
      const std::string reason = incompatibility(allocator, scorer);
      if (reason.empty()) {
        EXPECT_EQ(Strategy::parse(text).short_text(), text);
        continue;
      }
      try {
        Strategy::parse(text);
        ADD_FAILURE() << text << " is refused by incompatibility() alone";
      } catch (const BadStrategy& error) {
        EXPECT_NE(std::string(error.what()).find(reason), std::string::npos) << error.what();
      }
    }
  }
}

TEST(Compatibility, lets_the_usual_pairs_through) {
  for (const std::string text : {"uniform/streaming", "pyramid/snapkv", "reasonalloc/rkv", "reasonalloc-head/random",
                                 "adakv/snapkv", "cake/streaming", "duoattention/streaming", "oracle/oracle", "full"}) {
    EXPECT_NO_THROW(Strategy::parse(text)) << text;
  }
}

TEST(Compatibility, refuses_to_compare_heads_by_scores_that_are_the_same_in_all) {
  for (const std::string where : {"reasonalloc", "reasonalloc-head", "reasonalloc-dynamic", "adakv", "dynamickv"}) {
    EXPECT_THROW(Strategy::parse(where + "/streaming"), BadStrategy) << where;
  }
}

TEST(Compatibility, refuses_shares_of_a_sum_of_negative_scores) {
  EXPECT_THROW(Strategy::parse("adakv:normalize=on/rkv"), BadStrategy);
  EXPECT_NO_THROW(Strategy::parse("adakv:normalize=on/snapkv"));
}

}  // namespace
}  // namespace kvwave::alloc
