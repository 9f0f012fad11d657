// Each way a file can be wrong has its own error type and a message that names file, expected and actual.
#include <chrono>
#include <cmath>
#include <fstream>
#include <random>
#include <string>
#include <sys/stat.h>

#include <gtest/gtest.h>

#include "tests/file_bytes.h"
#include "tests/temporary_folder.h"
#include "tests/traces/hdf5_edit.h"
#include "tests/traces/trace_builder.h"
#include "traces/array_file.h"
#include "traces/error.h"

namespace kvwave::traces::testing {
namespace {

namespace fs = std::filesystem;

/// A good trace in a folder of its own, to be spoiled.
class TraceReaderRejection : public ::testing::Test {
 protected:
  void SetUp() override { write_trace(path_, options_); }

  void edit(const std::function<void(hid_t)>& change) { edit_file(path_, change); }

  /// Opens the trace and reads everything a reader can.
  void read_all() {
    const TraceReader reader(path_, {std::chrono::milliseconds(0)});
    static_cast<void>(reader.status());
    static_cast<void>(reader.content_sha256());
    for (std::uint32_t position = 0; position < reader.n_positions(); ++position) {
      static_cast<void>(difference(reader, options_, position, position + 1));
    }
  }

  template <class Expected>
  void expect_rejected(const std::string& words) {
    try {
      read_all();
      ADD_FAILURE() << "accepted, expected: " << words;
    } catch (const Expected& error) {
      const std::string what = error.what();
      EXPECT_NE(what.find(path_.string()), std::string::npos) << what;
      EXPECT_NE(what.find(words), std::string::npos) << what;
      EXPECT_EQ(what.find('\n'), std::string::npos) << what;
    }
  }

  const TemporaryFolder folder_;
  const fs::path path_ = folder_ / "t.h5";
  MadeUp options_;
};

TEST_F(TraceReaderRejection, rejects_what_is_no_file) {
  fs::remove(path_);
  expect_rejected<NotATrace>("No such file");
  fs::create_directory(path_);
  expect_rejected<NotATrace>("is a folder");
  fs::remove(path_);
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  expect_rejected<NotATrace>("not a regular file");
}

TEST_F(TraceReaderRejection, rejects_empty_and_foreign_files) {
  std::ofstream(path_, std::ios::trunc).close();
  expect_rejected<NotATrace>("is empty");
  std::ofstream(path_, std::ios::trunc) << "GGUF and more that is not HDF5";
  expect_rejected<NotATrace>("HDF5 signature");
}

TEST_F(TraceReaderRejection, rejects_hdf5_of_another_kind) {
  ArrayFileWriter other(path_, true);
  other.commit();
  expect_rejected<NotATrace>("no attribute 'format'");
}

TEST_F(TraceReaderRejection, rejects_another_format_name) {
  edit([](hid_t file) { set_text_attribute(file, "format", "other"); });
  expect_rejected<NotATrace>("format is 'other', expected 'kvwave-trace'");
}

TEST_F(TraceReaderRejection, rejects_newer_versions_by_both_numbers) {
  edit([](hid_t file) { set_number_attribute(file, "format_version", 2); });
  expect_rejected<NewerVersion>("trace format 2 is newer than 1");
}

TEST_F(TraceReaderRejection, rejects_truncated_files_with_both_sizes) {
  const auto size = fs::file_size(path_);
  fs::resize_file(path_, size - 1);
  expect_rejected<TruncatedTrace>(std::to_string(size - 1) + " bytes, its header promises " + std::to_string(size));
  fs::resize_file(path_, 20);
  expect_rejected<TruncatedTrace>("20 bytes are no whole HDF5 header");
}

TEST_F(TraceReaderRejection, rejects_use_of_missing_levels_and_says_how_to_record_them) {
  options_.levels = {true, true, false, false};
  WriterOptions overwrite;
  overwrite.overwrite = true;
  write_trace(path_, options_, overwrite);
  const TraceReader reader(path_);
  std::vector<float> k(16);
  EXPECT_THROW(reader.k(0, 0, 1, k), MissingLevel);
  AttentionRows rows;
  EXPECT_THROW(reader.attention(0, rows), MissingLevel);
  try {
    reader.require({true, false, false, true});
    ADD_FAILURE();
  } catch (const MissingLevel& error) {
    EXPECT_EQ(std::string(error.what()),
              path_.string() + ": was recorded without qkv; record it with --levels tokens,stats,qkv");
  }
}

TEST_F(TraceReaderRejection, rejects_absent_attributes_and_datasets) {
  edit([](hid_t file) { H5Ldelete(file, "/qkv/v", H5P_DEFAULT); });
  expect_rejected<WrongShape>("/qkv/v is absent");
  edit([](hid_t file) { H5Ldelete(file, "/status/complete", H5P_DEFAULT); });
  expect_rejected<WrongShape>("absent");
  edit([](hid_t file) { H5Adelete(file, "rope_theta"); });
  expect_rejected<WrongShape>("attribute rope_theta is absent");
}

TEST_F(TraceReaderRejection, rejects_attributes_of_another_type) {
  edit([](hid_t file) { set_text_attribute(file, "n_layers", "three"); });
  expect_rejected<WrongShape>("attribute n_layers has another type, expected an integer");
}

TEST_F(TraceReaderRejection, rejects_extents_that_disagree_with_the_model) {
  edit([](hid_t file) { set_number_attribute(file, "n_layers", 5); });
  expect_rejected<WrongShape>("expected [rows, 5, ");
}

TEST_F(TraceReaderRejection, rejects_storage_types_that_disagree) {
  edit([](hid_t file) { set_text_attribute(file, "qkv_dtype", "f32"); });
  expect_rejected<WrongShape>("/qkv/q: expected float32");
}

TEST_F(TraceReaderRejection, rejects_links_to_other_files) {
  write_trace(folder_ / "other.h5", options_);
  edit([](hid_t file) {
    H5Ldelete(file, "/qkv/k", H5P_DEFAULT);
    H5Lcreate_external("other.h5", "/qkv/k", file, "/qkv/k", H5P_DEFAULT, H5P_DEFAULT);
  });
  expect_rejected<WrongShape>("/qkv/k is a link elsewhere");
}

TEST_F(TraceReaderRejection, rejects_impossible_attribute_values) {
  edit([](hid_t file) { set_number_attribute(file, "n_kv_heads", 3); });
  expect_rejected<CorruptTrace>("n_q_heads is 4, expected a multiple of n_kv_heads 3");
  edit([](hid_t file) { set_number_attribute(file, "n_kv_heads", 0); });
  expect_rejected<CorruptTrace>("n_kv_heads is 0");
  edit([](hid_t file) {
    set_number_attribute(file, "n_kv_heads", 2);
    set_number_attribute(file, "first_row", 20);
  });
  expect_rejected<CorruptTrace>("first_row is 20, expected 8");
  edit([](hid_t file) { set_text_attribute(file, "levels", "tokens,everything"); });
  expect_rejected<CorruptTrace>("unknown level 'everything'");
  edit([](hid_t file) { set_number_attribute(file, "format_version", 0); });
  expect_rejected<CorruptTrace>("format_version is 0");
}

TEST_F(TraceReaderRejection, rejects_values_that_are_not_finite) {
  edit([](hid_t file) { set_values(file, "/qkv/k", 17, {std::nan("")}); });
  expect_rejected<CorruptTrace>("/qkv/k of layer 0 is not finite at position 17");
}

TEST_F(TraceReaderRejection, rejects_stats_that_are_not_finite) {
  edit([](hid_t file) { set_values(file, "/stats/entropy", 30, {INFINITY}); });
  expect_rejected<CorruptTrace>("/stats/entropy is not finite at position 30");
}

TEST_F(TraceReaderRejection, rejects_demand_beyond_the_row) {
  edit([](hid_t file) { set_values(file, "/stats/demand", 30, {32}); });
  expect_rejected<CorruptTrace>("/stats/demand is 32 at position 30");
}

TEST_F(TraceReaderRejection, rejects_attention_that_is_no_probability) {
  edit([](hid_t file) { set_values(file, "/attention/prob", 5, {1.5}); });
  expect_rejected<CorruptTrace>("probability 1.5 is outside [0, 1]");
  edit([](hid_t file) {
    set_values(file, "/attention/prob", 5, {0.5});
    set_values(file, "/attention/residual", 9, {-0.25});
  });
  expect_rejected<CorruptTrace>("residual -0.25 is outside [0, 1]");
}

TEST_F(TraceReaderRejection, rejects_attention_positions_that_do_not_ascend) {
  // Whatever the first two entries were, the same position twice is wrong.
  edit([](hid_t file) { set_values(file, "/attention/position", 0, {1}); });
  edit([](hid_t file) { set_values(file, "/attention/position", 1, {1}); });
  expect_rejected<CorruptTrace>("/attention at position 8");
}

TEST_F(TraceReaderRejection, rejects_counts_beyond_the_row) {
  edit([](hid_t file) { set_values(file, "/attention/count", 50, {52}); });
  expect_rejected<CorruptTrace>("/attention/count is 52 at position 50");
}

TEST_F(TraceReaderRejection, rejects_token_offsets_out_of_order) {
  edit([](hid_t file) { set_values(file, "/tokens/byte_end", 10, {1e15}); });
  expect_rejected<CorruptTrace>("/tokens/byte_end");
}

TEST_F(TraceReaderRejection, rejects_unknown_stop_reasons) {
  edit([](hid_t file) { set_values(file, "/status/stop_reason", 0, {77}); });
  expect_rejected<CorruptTrace>("stop_reason is 77");
}

TEST_F(TraceReaderRejection, rejects_extents_that_no_file_of_this_size_can_hold) {
  edit([](hid_t file) {
    const hid_t dataset = H5Dopen2(file, "/attention/position", H5P_DEFAULT);
    const hsize_t rows = hsize_t{1} << 40;
    H5Dset_extent(dataset, &rows);
    H5Dclose(dataset);
  });
  expect_rejected<CorruptTrace>("/attention/position claims 1099511627776 rows");
}

TEST_F(TraceReaderRejection, rejects_rows_that_are_promised_but_not_there) {
  edit([](hid_t file) {
    for (const char* name : {"/tokens/id", "/tokens/logprob", "/tokens/byte_end", "/attention/row_start"}) {
      const hid_t dataset = H5Dopen2(file, name, H5P_DEFAULT);
      const hsize_t rows = 90000;
      H5Dset_extent(dataset, &rows);
      H5Dclose(dataset);
    }
  });
  const TraceReader reader(path_);
  EXPECT_EQ(reader.n_positions(), options_.n_positions);  // the other datasets say how many are whole
}

TEST_F(TraceReaderRejection, rejects_positions_outside_the_trace) {
  const TraceReader reader(path_);
  std::vector<float> k(16);
  EXPECT_THROW(reader.k(0, 100, 101, k), std::out_of_range);
  EXPECT_THROW(reader.k(3, 0, 1, k), std::out_of_range);
  EXPECT_THROW(reader.k(0, 0, 2, k), std::invalid_argument);
}

/// What every damaged file must do: be refused with one of our errors, or be read without harm.
void read_damaged(const fs::path& path, const MadeUp& options) {
  try {
    const TraceReader reader(path, {std::chrono::milliseconds(0)});
    static_cast<void>(difference(reader, options, 0, reader.n_positions()));
    static_cast<void>(reader.content_sha256());
    static_cast<void>(reader.level_use());
  } catch (const Error&) {
  }
}

void write_bytes(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

TEST_F(TraceReaderRejection, survives_truncation_at_any_byte) {
  const std::string bytes = file_bytes(path_);
  for (std::size_t i = 0; i < 200; ++i) {
    const std::size_t size = i < 60 ? i : bytes.size() * i / 200;
    write_bytes(path_, bytes.substr(0, size));
    EXPECT_THROW(TraceReader(path_, {std::chrono::milliseconds(0)}), Error) << size;
  }
}

TEST_F(TraceReaderRejection, rejects_headers_that_promise_far_more_than_the_file_has) {
  std::string bytes = file_bytes(path_);
  bytes[11] = 5;      // the mark of a writer that is running or was killed
  bytes[28 + 5] = 1;  // the promised length, 2^40 more
  write_bytes(path_, bytes);
  expect_rejected<TruncatedTrace>("its header promises 10995");
}

TEST_F(TraceReaderRejection, rejects_older_layouts_of_hdf5) {
  std::string bytes = file_bytes(path_);
  bytes[8] = 0;
  write_bytes(path_, bytes);
  expect_rejected<NotATrace>("HDF5 superblock version 0, expected 3");
}

TEST_F(TraceReaderRejection, survives_flipped_bits) {
  const std::uint64_t seed = std::random_device{}();
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  std::mt19937_64 random(seed);
  const std::string bytes = file_bytes(path_);
  for (int i = 0; i < 300; ++i) {
    std::string damaged = bytes;
    for (int flips = 0; flips < 1 + i % 4; ++flips) {
      // Half of the flips hit the first kilobytes, where the metadata is dense.
      const std::size_t at = random() % (i % 2 == 0 ? std::min<std::size_t>(8192, bytes.size()) : bytes.size());
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << (random() % 8)));
    }
    write_bytes(path_, damaged);
    read_damaged(path_, options_);
  }
}

}  // namespace
}  // namespace kvwave::traces::testing
