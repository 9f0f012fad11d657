// Strict numbers, suggestions, hashes, sizes: what every command leans on.
#include "traces/command_line.h"

#include <csignal>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/temporary_folder.h"
#include "traces/error.h"
#include "traces/output_file.h"
#include "traces/progress.h"
#include "traces/repetition.h"
#include "traces/schema.h"
#include "traces/sha256.h"

namespace kvwave::traces::testing {
namespace {

TEST(CommandLine, takes_whole_numbers_only) {
  EXPECT_EQ(parse_integer("n", "42", 0, 100), 42);
  EXPECT_EQ(parse_integer("n", "-7", -10, 100), -7);
  EXPECT_EQ(parse_integer("n", "9223372036854775807", 0, INT64_MAX), INT64_MAX);
  for (const char* bad :
       {"", " 1", "1 ", "+1", "1.0", "0x10", "1e3", "ten", "--1", "101", "-1", "9223372036854775808"}) {
    EXPECT_THROW(parse_integer("n", bad, 0, 100), UsageError) << bad;
  }
  try {
    parse_integer("budget", "64x", 1, 4096);
    ADD_FAILURE();
  } catch (const UsageError& error) {
    EXPECT_STREQ(error.what(), "option --budget: expected a whole number from 1 to 4096, got '64x'");
  }
}

TEST(CommandLine, takes_finite_decimal_numbers_only) {
  EXPECT_EQ(parse_real("x", "0.5", 0, 1), 0.5);
  EXPECT_EQ(parse_real("x", "1e-2", 0, 1), 0.01);
  for (const char* bad : {"", " 0.5", "0.5 ", "0.5f", "nan", "inf", "-inf", "0x1p-1", "1,5", "2", "-0.1", "+0.5"}) {
    EXPECT_THROW(parse_real("x", bad, 0, 1), UsageError) << bad;
  }
}

TEST(CommandLine, splits_lists_and_refuses_empty_items) {
  EXPECT_EQ(parse_list("b", "64,128"), (std::vector<std::string>{"64", "128"}));
  for (const char* bad : {"", ",", "64,", ",64", "64,,128"}) EXPECT_THROW(parse_list("b", bad), UsageError) << bad;
}

TEST(CommandLine, suggests_the_nearest_word_only_when_it_is_near) {
  const std::vector<std::string> words = {"snapkv", "rkv", "streaming", "h2o"};
  EXPECT_EQ(nearest_word("snapkb", words), "snapkv");
  EXPECT_EQ(nearest_word("steaming", words), "streaming");
  EXPECT_EQ(nearest_word("rkw", words), "rkv");
  EXPECT_EQ(nearest_word("quest", words), "");
  EXPECT_EQ(nearest_word(std::string(1000000, 'x'), words), "");
  EXPECT_EQ(did_you_mean("snapkb", words), " (did you mean 'snapkv'?)");
  EXPECT_EQ(did_you_mean("quest", words), "");
}

TEST(CommandLine, notes_interrupts_while_guarded) {
  const InterruptGuard guard;
  EXPECT_FALSE(InterruptGuard::interrupted());
  std::raise(SIGINT);
  EXPECT_TRUE(InterruptGuard::interrupted());
}

TEST(Levels, parse_and_print_in_fixed_order) {
  EXPECT_EQ(Levels::parse("qkv,tokens").to_string(), "tokens,qkv");
  EXPECT_EQ(Levels{}.to_string(), "tokens,stats,attention,qkv");
  for (const char* bad : {"", "all", "stats,", "stats,stats", "Stats"}) {
    EXPECT_THROW(Levels::parse(bad), std::invalid_argument) << bad;
  }
  EXPECT_EQ(parse_float_type("f32"), FloatType::f32);
  EXPECT_THROW(parse_float_type("bf16"), std::invalid_argument);
}

TEST(Sha256, gives_the_published_values) {
  EXPECT_EQ(Sha256().hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256().update("abc").hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256().update("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq").hex(),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(Sha256().update(std::string(1000000, 'a')).hex(),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, does_not_depend_on_how_the_bytes_arrive) {
  const std::string text(1000, 'q');
  const std::string whole = Sha256().update(text).hex();
  for (std::size_t piece = 1; piece < 200; piece += 13) {
    Sha256 hash;
    for (std::size_t i = 0; i < text.size(); i += piece) hash.update(text.substr(i, piece));
    EXPECT_EQ(hash.hex(), whole) << piece;
  }
}

TEST(Sha256, hashes_files) {
  const TemporaryFolder folder;
  std::ofstream(folder / "a") << "abc";
  EXPECT_EQ(sha256_file(folder / "a"), Sha256().update("abc").hex());
  EXPECT_THROW(sha256_file(folder / "absent"), NotATrace);
  EXPECT_THROW(sha256_file(folder.path()), NotATrace);
}

TEST(OutputFile, appears_whole_and_replaces_only_when_told) {
  const TemporaryFolder folder;
  write_text_file(folder / "a.csv", "one\n", false);
  EXPECT_THROW(write_text_file(folder / "a.csv", "two\n", false), OutputExists);
  write_text_file(folder / "a.csv", "two\n", true);
  std::ifstream file(folder / "a.csv");
  std::string line;
  std::getline(file, line);
  EXPECT_EQ(line, "two");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
  EXPECT_THROW(check_output(folder / "absent/a.csv", false), OutputFailed);
  EXPECT_THROW(check_output(folder.path(), true), OutputFailed);
  EXPECT_THROW(check_output("", true), OutputFailed);
  EXPECT_GT(free_disk_bytes(folder / "not/there/yet"), 0U);
}

TEST(Progress, prints_sizes_with_three_digits) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(981), "981 B");
  EXPECT_EQ(human_bytes(1000), "1.00 kB");
  EXPECT_EQ(human_bytes(12345678), "12.3 MB");
  EXPECT_EQ(human_bytes(999499), "999 kB");
  EXPECT_EQ(human_bytes(999999), "1.00 MB");
  EXPECT_EQ(human_bytes(UINT64_MAX), "18.4 EB");
}

TEST(Repetition, counts_grams_that_occurred_before) {
  std::vector<std::int32_t> ids(100);
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int32_t>(i);
  EXPECT_EQ(repeated_ngram_share(ids), 0);
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int32_t>(i % 10);
  EXPECT_DOUBLE_EQ(repeated_ngram_share(ids), 83.0 / 93);  // 93 grams, 10 of them new
  EXPECT_EQ(repeated_ngram_share(std::span(ids).first(7)), 0);
  EXPECT_DOUBLE_EQ(repeated_ngram_share(std::vector<std::int32_t>{1, 1, 1, 1}, 1), 0.75);
}

}  // namespace
}  // namespace kvwave::traces::testing
