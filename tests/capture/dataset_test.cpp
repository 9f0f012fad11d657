#include "capture/dataset.h"

#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "capture/error.h"
#include "tests/temporary_folder.h"

namespace kvwave::capture {
namespace {

class Dataset : public ::testing::Test {
 protected:
  std::filesystem::path write(const std::string& text) {
    const std::filesystem::path path = folder_ / "prompts.jsonl";
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  std::vector<DatasetItem> read(const std::string& text, std::size_t limit = 0) {
    DatasetSelection selection;
    selection.limit = limit;
    return read_dataset(write(text), selection);
  }
  std::string error_of(const std::string& text, const std::optional<std::string>& field = std::nullopt) {
    try {
      DatasetSelection selection;
      selection.continuation_field = field;
      read_dataset(write(text), selection);
    } catch (const BadPrompt& error) {
      return error.what();
    }
    return "no error";
  }

  TemporaryFolder folder_;
};

TEST_F(Dataset, reads_problem_or_prompt_and_any_of_the_id_fields) {
  const auto items = read(
      "{\"id\": \"a-1\", \"problem\": \"What is 1+1?\"}\n"
      "\n"
      "{\"unique_id\": \"b.2\", \"prompt\": \"Say hi\"}\r\n"
      "{\"problem_idx\": 17, \"problem\": \"x\", \"prompt\": \"ignored\"}\n"
      "{\"problem\": \"no id\"}");
  ASSERT_EQ(items.size(), 4U);
  EXPECT_EQ(items[0].id, "a-1");
  EXPECT_EQ(items[0].messages.at(0).content, "What is 1+1?");
  EXPECT_EQ(items[1].id, "b.2");
  EXPECT_EQ(items[1].messages.at(0).content, "Say hi");
  EXPECT_EQ(items[2].id, "17");
  EXPECT_EQ(items[2].messages.at(0).content, "x");
  EXPECT_EQ(items[3].id, "5");
  EXPECT_EQ(items[3].line, 5U);
}

TEST_F(Dataset, stops_at_the_limit_before_a_bad_line) {
  EXPECT_EQ(read("{\"prompt\": \"a\"}\n{\"prompt\": \"b\"}\nnot json\n", 2).size(), 2U);
}

TEST_F(Dataset, names_the_line_that_is_wrong) {
  const std::string good = "{\"id\": \"1\", \"prompt\": \"a\"}\n";
  EXPECT_NE(error_of(good + "{\"prompt\": ").find("prompts.jsonl, line 2: this is no JSON"), std::string::npos);
  EXPECT_NE(error_of(good + "\n[1, 2]").find("line 3: expected a JSON object, got array"), std::string::npos);
  EXPECT_NE(error_of(good + "{\"query\": \"a\"}").find("line 2: none of the fields 'problem', 'prompt', 'question'"),
            std::string::npos);
  EXPECT_NE(error_of(good + "{\"problem\": 7}").find("line 2: field 'problem' should be a string, got number"),
            std::string::npos);
  EXPECT_NE(error_of(good + "{\"problem\": \"\"}").find("line 2: field 'problem' is empty"), std::string::npos);
  EXPECT_NE(error_of(good + "{\"id\": [], \"prompt\": \"a\"}").find("line 2: field 'id' should be"), std::string::npos);
  EXPECT_NE(error_of(good + "{\"prompt\": \"\xff\"}").find("line 2: this is no JSON"), std::string::npos);
}

TEST_F(Dataset, refuses_two_lines_that_would_write_one_file) {
  const std::string error = error_of("{\"id\": \"a/b\", \"prompt\": \"x\"}\n{\"id\": \"a_b\", \"prompt\": \"y\"}\n");
  EXPECT_NE(error.find("line 2: writes the same file a_b.h5 as line 1"), std::string::npos) << error;
}

TEST_F(Dataset, ids_beyond_ascii_or_longer_than_a_file_name_get_files_of_their_own) {
  const std::string tail = std::string(200, 'x');
  const auto items = read(
      "{\"id\": \"\u65e5\u672c\", \"prompt\": \"a\"}\n{\"id\": \"\u4e2d\u56fd\", \"prompt\": \"b\"}\n"
      "{\"id\": \"caf\u00e9\", \"prompt\": \"c\"}\n{\"id\": \"" +
      tail +
      "1\", \"prompt\": \"d\"}\n"
      "{\"id\": \"" +
      tail + "2\", \"prompt\": \"e\"}\n");
  ASSERT_EQ(items.size(), 5U);
  EXPECT_NE(items[0].id, items[1].id);
  EXPECT_TRUE(items[0].id.starts_with("__-")) << items[0].id;
  EXPECT_EQ(items[0].id.size(), 2U + 1 + 8);
  EXPECT_TRUE(items[2].id.starts_with("caf_-")) << items[2].id;
  EXPECT_NE(items[3].id, items[4].id);
  EXPECT_EQ(items[3].id.size(), 150U);
  DatasetSelection selection;
  selection.id = "\xe4\xb8\xad\xe5\x9b\xbd";
  const auto picked = read_dataset(folder_ / "prompts.jsonl", selection);
  ASSERT_EQ(picked.size(), 1U);
  EXPECT_EQ(picked[0].id, items[1].id) << "--id takes the id as the file has it";
}

TEST_F(Dataset, refuses_a_file_without_prompts) {
  EXPECT_NE(error_of("\n  \n").find("holds no line but blank ones"), std::string::npos);
  EXPECT_NE(error_of("").find("holds no line but blank ones"), std::string::npos);
  EXPECT_THROW(read_dataset(folder_ / "missing.jsonl", {}), BadPrompt);
}

TEST_F(Dataset, reads_a_byte_order_mark_crlf_and_a_last_line_without_end) {
  const auto items = read("\xef\xbb\xbf{\"id\": \"a\", \"prompt\": \"x\"}\r\n\r\n{\"id\": \"b\", \"prompt\": \"y\"}");
  ASSERT_EQ(items.size(), 2U);
  EXPECT_EQ(items[0].id, "a");
  EXPECT_EQ(items[1].line, 3U);
}

TEST_F(Dataset, survives_lines_that_are_huge_or_deep) {
  const std::string large(5 << 20, 'x');
  EXPECT_EQ(read("{\"prompt\": \"" + large + "\"}").at(0).messages.at(0).content, large);
  EXPECT_NE(error_of(std::string(100000, '[')).find("line 1: this is no JSON"), std::string::npos);
  EXPECT_NE(error_of("{\"id\": \"a\", \"id\": \"b\", \"prompt\": \"x\"}").find("line 1: a field is there twice"),
            std::string::npos);
}

TEST_F(Dataset, says_why_no_line_is_left) {
  const auto path = write("{\"id\": \"first\", \"prompt\": \"x\"}\n{\"id\": \"second\", \"prompt\": \"y\"}\n");
  const auto error = [&](const DatasetSelection& selection) -> std::string {
    try {
      read_dataset(path, selection);
    } catch (const BadPrompt& refused) {
      return refused.what();
    }
    return "no error";
  };
  DatasetSelection selection;
  selection.skip = 2;
  EXPECT_NE(error(selection).find("--skip leaves out 2 lines, the file holds 2"), std::string::npos);
  selection.skip = 0;
  selection.id = "firsx";
  EXPECT_NE(error(selection).find("no line has the id 'firsx' (did you mean 'first'?)"), std::string::npos)
      << error(selection);
}

TEST_F(Dataset, reads_the_continuation_field_when_asked) {
  const auto path = write("{\"prompt\": \"a\", \"solution\": \"b c\"}\n");
  DatasetSelection solution;
  solution.continuation_field = "solution";
  EXPECT_EQ(read_dataset(path, solution)[0].continuation, "b c");
  EXPECT_EQ(read_dataset(path, {})[0].continuation, std::nullopt);
  EXPECT_NE(error_of("{\"prompt\": \"a\"}\n", "solution").find("line 1: field 'solution' is missing"),
            std::string::npos);
}

TEST(SafeFileName, never_leaves_its_folder) {
  EXPECT_EQ(safe_file_name("plain-1.2_x"), "plain-1.2_x");
  EXPECT_EQ(safe_file_name("../../etc/passwd"), "_._.._etc_passwd");
  EXPECT_EQ(safe_file_name("/abs"), "_abs");
  EXPECT_EQ(safe_file_name(".."), "_.");
  EXPECT_EQ(safe_file_name(".hidden"), "_hidden");
  EXPECT_EQ(safe_file_name("a\nb\tc d"), "a_b_c_d");
  EXPECT_EQ(safe_file_name(std::string("nul\0byte", 8)), "nul_byte");
  EXPECT_EQ(safe_file_name("\xc3\xa9t\xc3\xa9"), "_t_-bd010c64");
  EXPECT_EQ(safe_file_name(""), "_");
  EXPECT_EQ(safe_file_name(std::string(1000, 'a')).size(), 150U);
}

TEST_F(Dataset, reads_questions_and_conversations_with_their_answers) {
  const auto items = read(
      "{\"question\": \"1+1?\", \"answer\": 2}\n"
      "{\"messages\": [{\"role\": \"system\", \"content\": \"s\"}, {\"role\": \"user\", \"content\": \"u\"}], "
      "\"answer\": \"x\"}\n");
  ASSERT_EQ(items.size(), 2U);
  EXPECT_EQ(items[0].messages.at(0).content, "1+1?");
  EXPECT_EQ(items[0].answer, "2");
  ASSERT_EQ(items[1].messages.size(), 2U);
  EXPECT_EQ(items[1].messages[0].role, "system");
  EXPECT_EQ(items[1].answer, "x");
  for (const std::string messages :
       {"[]", "7", "[7]", "[{\"role\": \"user\"}]", "[{\"role\": \"cat\", \"content\": \"x\"}]",
        "[{\"role\": \"assistant\", \"content\": \"x\"}]"}) {
    EXPECT_NE(error_of("{\"messages\": " + messages + "}").find("line 1: "), std::string::npos) << messages;
  }
}

TEST_F(Dataset, skips_then_picks_an_id_then_stops_at_the_limit) {
  const auto path = write(
      "{\"id\": \"a\", \"prompt\": \"1\"}\n\n{\"id\": \"b\", \"prompt\": \"2\"}\n{\"id\": \"c\", \"prompt\": \"3\"}\n");
  DatasetSelection selection;
  selection.skip = 1;
  ASSERT_EQ(read_dataset(path, selection).size(), 2U);
  EXPECT_EQ(read_dataset(path, selection)[0].id, "b");
  selection.limit = 1;
  EXPECT_EQ(read_dataset(path, selection).size(), 1U);
  selection.id = "c";
  EXPECT_EQ(read_dataset(path, selection).at(0).line, 4U);
  selection.id = "a";
  EXPECT_THROW(read_dataset(path, selection), BadPrompt) << "it was skipped";
}

}  // namespace
}  // namespace kvwave::capture
