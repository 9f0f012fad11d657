#include "capture/mapped_file.h"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "capture/error.h"
#include "tests/temporary_folder.h"

namespace kvwave::capture {
namespace {

TEST(MappedFile, a_copy_holds_the_bytes_of_the_file_at_a_large_page) {
  const TemporaryFolder folder;
  std::string content(5'000'001, '\0');
  for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * 31 + i / 4096);
  std::ofstream(folder / "file", std::ios::binary) << content;
  for (const FileMemory memory : {FileMemory::mapped, FileMemory::copied}) {
    const MappedFile file(folder / "file", memory);
    ASSERT_EQ(file.bytes().size(), content.size());
    EXPECT_TRUE(std::equal(content.begin(), content.end(), file.bytes().begin(),
                           [](char a, std::byte b) { return static_cast<std::byte>(a) == b; }));
    if (memory == FileMemory::copied) {
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(file.bytes().data()) % (2u << 20), 0u);
    }
  }
}

TEST(MappedFile, refuses_the_same_files_when_it_copies) {
  const TemporaryFolder folder;
  std::ofstream(folder / "empty");
  EXPECT_THROW(MappedFile(folder / "empty", FileMemory::copied), BadModelFile);
  EXPECT_THROW(MappedFile(folder / "missing", FileMemory::copied), BadModelFile);
  EXPECT_THROW(MappedFile(folder / "", FileMemory::copied), BadModelFile);
}

}  // namespace
}  // namespace kvwave::capture
