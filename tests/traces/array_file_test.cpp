// ArrayFileWriter and ArrayFileReader: what goes in comes out, whole or not at all, the same bytes each time.
#include "traces/array_file.h"

#include <chrono>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "tests/file_bytes.h"
#include "tests/temporary_folder.h"
#include "tests/traces/hdf5_edit.h"
#include "traces/error.h"

namespace kvwave::traces::testing {
namespace {

namespace fs = std::filesystem;

using Shape = std::vector<std::uint64_t>;

void write_example(const fs::path& path, bool overwrite = false) {
  ArrayFileWriter writer(path, overwrite);
  std::vector<float> floats(1000);
  for (std::size_t i = 0; i < floats.size(); ++i) floats[i] = static_cast<float>(i) / 7;
  writer.write("/trace_0001/metric/mass", Shape{10, 100}, floats);
  writer.write("/trace_0001/exact", Shape{2}, std::vector<double>{0.1, 1e300}, false);
  writer.write("/evicted_at", Shape{2, 1, 2}, std::vector<std::int32_t>{-1, 0, 5, 2147483647});
  writer.write("/budgets", Shape{3}, std::vector<std::uint32_t>{1, 2, 4294967295U});
  writer.write("/nothing", Shape{0, 4}, std::vector<float>{});
  writer.write("/strategy", std::vector<std::string>{"uniform/rkv", "", "full"});
  writer.attribute("/", "title", "an example");
  writer.attribute("/", "empty", "");
  writer.attribute("/evicted_at", "never", std::int64_t{2147483647});
  writer.attribute("/trace_0001", "share", 0.25);
  writer.attribute("/", "rho", std::vector<double>{0.5, 0.93});
  writer.commit();
}

TEST(ArrayFile, copies_a_group_with_all_types_and_attributes) {
  const TemporaryFolder folder;
  write_example(folder / "a.h5");
  const auto copy = [](const fs::path& from, const fs::path& to) {
    const ArrayFileReader reader(from);
    ArrayFileWriter writer(to, false);
    copy_arrays(reader, "/trace_0001", writer, "/trace_0001");
    writer.commit();
  };
  copy(folder / "a.h5", folder / "b.h5");
  copy(folder / "b.h5", folder / "c.h5");
  EXPECT_EQ(file_bytes(folder / "b.h5"), file_bytes(folder / "c.h5")) << "a copy of a copy is the same file";
  const ArrayFileReader original(folder / "a.h5"), copied(folder / "c.h5");
  EXPECT_EQ(copied.floats("/trace_0001/metric/mass"), original.floats("/trace_0001/metric/mass"));
  EXPECT_EQ(copied.doubles("/trace_0001/exact"), original.doubles("/trace_0001/exact"));
  EXPECT_EQ(copied.number_attribute("/trace_0001", "share"), 0.25);
  EXPECT_EQ(original.type("/budgets"), ArrayType::u32);
  EXPECT_EQ(original.uints("/budgets"), (std::vector<std::uint32_t>{1, 2, 4294967295U}));
  EXPECT_EQ(original.type("/strategy"), ArrayType::text);
  EXPECT_EQ(std::get<std::string>(original.attributes("/").at(2).value), "an example");
  EXPECT_EQ(std::get<std::vector<double>>(original.attributes("/").at(1).value), (std::vector<double>{0.5, 0.93}));
}

TEST(ArrayFile, keeps_every_value) {
  const TemporaryFolder folder;
  write_example(folder / "a.h5");
  const ArrayFileReader reader(folder / "a.h5");
  EXPECT_EQ(reader.shape("/trace_0001/metric/mass"), (Shape{10, 100}));
  EXPECT_FLOAT_EQ(reader.floats("/trace_0001/metric/mass")[999], 999.0F / 7);
  EXPECT_EQ(reader.doubles("/trace_0001/exact"), (std::vector<double>{0.1, 1e300}));
  EXPECT_EQ(reader.ints("/evicted_at"), (std::vector<std::int32_t>{-1, 0, 5, 2147483647}));
  EXPECT_EQ(reader.doubles("/trace_0001/exact").size(), 2U);
  EXPECT_TRUE(reader.floats("/nothing").empty());
  EXPECT_EQ(reader.strings("/strategy"), (std::vector<std::string>{"uniform/rkv", "", "full"}));
  EXPECT_EQ(reader.text_attribute("/", "title"), "an example");
  EXPECT_EQ(reader.text_attribute("/", "empty"), "");
  EXPECT_EQ(reader.number_attribute("/evicted_at", "never"), 2147483647.0);
  EXPECT_EQ(reader.number_attribute("/trace_0001", "share"), 0.25);
  EXPECT_TRUE(reader.has("/trace_0001/metric"));
  EXPECT_FALSE(reader.has("/trace_0002"));
  EXPECT_EQ(reader.children("/trace_0001"), (std::vector<std::string>{"exact", "metric"}));
}

TEST(ArrayFile, gives_the_same_bytes_twice) {
  const TemporaryFolder folder;
  write_example(folder / "a.h5");
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));
  write_example(folder / "b.h5");
  EXPECT_TRUE(file_bytes(folder / "a.h5") == file_bytes(folder / "b.h5"));
}

TEST(ArrayFile, appears_only_when_committed) {
  const TemporaryFolder folder;
  {
    ArrayFileWriter writer(folder / "a.h5", false);
    writer.write("/x", Shape{1}, std::vector<float>{1});
    EXPECT_FALSE(fs::exists(folder / "a.h5"));
  }
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(ArrayFile, keeps_the_old_file_until_the_new_one_is_whole) {
  const TemporaryFolder folder;
  write_example(folder / "a.h5");
  EXPECT_THROW(write_example(folder / "a.h5"), OutputExists);
  {
    ArrayFileWriter unfinished(folder / "a.h5", true);
    unfinished.write("/x", Shape{1}, std::vector<float>{1});
  }
  EXPECT_TRUE(ArrayFileReader(folder / "a.h5").has("/evicted_at"));
  write_example(folder / "a.h5", true);
  EXPECT_TRUE(ArrayFileReader(folder / "a.h5").has("/evicted_at"));
}

TEST(ArrayFile, refuses_shapes_that_do_not_fit_the_values) {
  const TemporaryFolder folder;
  ArrayFileWriter writer(folder / "a.h5", false);
  EXPECT_THROW(writer.write("/x", Shape{2, 2}, std::vector<float>{1, 2, 3}), std::invalid_argument);
}

TEST(ArrayFile, reading_names_what_is_absent_or_of_another_type) {
  const TemporaryFolder folder;
  write_example(folder / "a.h5");
  const ArrayFileReader reader(folder / "a.h5");
  EXPECT_THROW(reader.floats("/absent"), WrongShape);
  EXPECT_THROW(reader.shape("/absent/too"), WrongShape);
  EXPECT_THROW(reader.floats("/strategy"), WrongShape);
  EXPECT_THROW(reader.strings("/evicted_at"), WrongShape);
  EXPECT_THROW(reader.ints("/trace_0001/exact"), WrongShape);
  EXPECT_THROW(reader.text_attribute("/", "absent"), WrongShape);
  EXPECT_THROW(reader.number_attribute("/", "title"), WrongShape);
  EXPECT_THROW(reader.number_attribute("/", "rho"), WrongShape);
  EXPECT_THROW(reader.children("/absent"), WrongShape);
}

TEST(ArrayFile, reading_refuses_other_and_truncated_files) {
  const TemporaryFolder folder;
  std::ofstream(folder / "text.h5") << "no HDF5 at all";
  EXPECT_THROW(ArrayFileReader(folder / "text.h5"), NotATrace);
  EXPECT_THROW(ArrayFileReader(folder / "absent.h5"), NotATrace);
  write_example(folder / "a.h5");
  fs::resize_file(folder / "a.h5", fs::file_size(folder / "a.h5") - 10);
  EXPECT_THROW(ArrayFileReader(folder / "a.h5"), TruncatedTrace);
}

TEST(ArrayFile, reading_takes_no_memory_by_a_made_up_extent) {
  const TemporaryFolder folder;
  write_example(folder / "a.h5");
  edit_file(folder / "a.h5", [](hid_t file) {
    const std::vector<hsize_t> extents = {hsize_t{1} << 50};
    const std::vector<hsize_t> chunk = {1024};
    const hid_t space = H5Screate_simple(1, extents.data(), nullptr);
    const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(creation, 1, chunk.data());
    H5Dclose(H5Dcreate2(file, "/huge", H5T_IEEE_F32LE, space, H5P_DEFAULT, creation, H5P_DEFAULT));
    H5Pclose(creation);
    H5Sclose(space);
  });
  EXPECT_THROW(ArrayFileReader(folder / "a.h5").floats("/huge"), WrongShape);
}

}  // namespace
}  // namespace kvwave::traces::testing
