// The readers of .npy arrays and zip archives on bytes written here, good ones and broken ones.
#include <cmath>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/zip_builder.h"
#include "traces/error.h"
#include "traces/npy_array.h"
#include "traces/zip_file.h"

namespace kvwave::traces {
namespace {

std::span<const std::byte> as_bytes(const std::string& text) {
  return std::as_bytes(std::span(text));
}
std::string as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string refusal(const std::function<void()>& read) {
  try {
    read();
  } catch (const BadArrayFile& error) {
    return error.what();
  }
  return "accepted";
}
std::string zip_refusal(const std::string& archive, std::uint64_t largest = kLargestUnpacked) {
  return refusal([&] {
    std::vector<std::byte> memory;
    for (const ZipMember& member : zip_members(as_bytes(archive))) unpack(member, memory, largest);
  });
}
std::string npy_refusal(const std::string& bytes) {
  return refusal([&] { parse_npy(as_bytes(bytes)); });
}

std::string npy(const std::string& dictionary, const std::string& data) {
  return "\x93NUMPY" + std::string("\1\0", 2) + zip_number(static_cast<std::uint16_t>(dictionary.size())) + dictionary +
         data;
}
std::string npy(const std::string& type, const std::string& shape, const std::string& data) {
  return npy("{'descr': '" + type + "', 'fortran_order': False, 'shape': " + shape + ", }\n", data);
}

TEST(NpyArrays, of_all_real_types_are_read_and_written) {
  const std::vector<float> values = {0, 1.5F, -2, 0.25F, 1e-3F, 7};
  const std::uint64_t shape[] = {2, 3};
  const std::string bytes = npy_bytes(shape, values);
  EXPECT_EQ(bytes.find('\n'), 127U) << "numpy ends the header at a multiple of 64";
  const NpyArray array = parse_npy(as_bytes(bytes));
  EXPECT_EQ(array.type, NpyType::f4);
  EXPECT_EQ(array.shape, (std::vector<std::uint64_t>{2, 3}));
  std::vector<float> back(3);
  npy_values(array, 2, back);
  EXPECT_EQ(back, std::vector<float>(values.begin() + 2, values.begin() + 5));
  const std::string halves = npy("<f2", "(3,)", std::string("\x00\x3c\x00\xc0\x00\x34", 6));
  npy_values(parse_npy(as_bytes(halves)), 0, back);
  EXPECT_EQ(back, (std::vector<float>{1, -2, 0.25F}));
  const std::string doubles = npy("<f8", "(2,)", zip_number(1.0 / 3) + zip_number(-4.0));
  std::vector<double> exact(2);
  npy_values(parse_npy(as_bytes(doubles)), 0, exact);
  EXPECT_EQ(exact, (std::vector<double>{1.0 / 3, -4}));
}

TEST(NpyArrays, that_are_damaged_or_of_other_kinds_are_refused_by_name) {
  const std::string four(4, '\0');
  EXPECT_EQ(npy_refusal(""), "is no .npy array: it does not begin with \\x93NUMPY");
  EXPECT_EQ(npy_refusal("\x93NUMPY\1"), "ends inside its header");
  EXPECT_EQ(npy_refusal(npy("<f4", "()", four).substr(0, 30)), "ends inside its header");
  EXPECT_EQ(npy_refusal(npy("<f4", "()", four)), "accepted");
  EXPECT_EQ(npy_refusal(npy(">f4", "(1,)", four)), "expected values of type <f2, <f4 or <f8, got >f4");
  EXPECT_EQ(npy_refusal(npy("|O", "(1,)", four)), "expected values of type <f2, <f4 or <f8, got |O");
  EXPECT_EQ(npy_refusal(npy("{'descr': [('a', '<f4')], 'shape': (1,)}", four)),
            "expected values of type <f2, <f4 or <f8, got something else");
  EXPECT_EQ(npy_refusal(npy("{'descr': '<f4', 'fortran_order': True, 'shape': (1,)}", four)),
            "expected C order (fortran_order False)");
  EXPECT_EQ(npy_refusal(npy("{'descr': '<f4', 'fortran_order': False}", four)), "the header has no 'shape'");
  EXPECT_EQ(npy_refusal(npy("<f4", "(1, -1)", four)), "the header's shape is no tuple of at most 8 integers");
  EXPECT_EQ(npy_refusal(npy("<f4", "(1,1,1,1,1,1,1,1,1)", four)),
            "the header's shape is no tuple of at most 8 integers");
  EXPECT_EQ(npy_refusal(npy("<f4", "(2, 1", four)), "the header's shape is no tuple of at most 8 integers");
  EXPECT_EQ(npy_refusal(npy("<f4", "(0, 5)", "")), "shape [0, 5] holds no value");
  EXPECT_EQ(npy_refusal(npy("<f4", "(3,)", four + four)),
            "shape [3] of <f4 does not fill the 8 bytes after the header");
  EXPECT_EQ(npy_refusal(npy("<f4", "(1,)", four + "x")), "shape [1] of <f4 does not fill the 5 bytes after the header");
  // Extents whose product is 1 modulo 2^64.
  EXPECT_EQ(npy_refusal(npy("<f4", "(18446744073709551615, 18446744073709551615)", four)),
            "shape [18446744073709551615, 18446744073709551615] of <f4 does not fill the 4 bytes after the header");
  EXPECT_EQ(npy_refusal(npy("<f4", "(99999999999999999999,)", four)),
            "the header's shape is no tuple of at most 8 integers");
}

TEST(ZipArchives, stored_and_deflated_members_come_out_whole_with_and_without_zip64) {
  for (const bool zip64 : {false, true}) {
    ZipBuilder zip(zip64);
    const std::string large(100000, 'x');
    zip.add("a.npy", "first");
    zip.add("b.npy", large, true);
    zip.add("empty.npy", "");
    const std::string bytes = zip.finish("a comment");
    const std::vector<ZipMember> members = zip_members(as_bytes(bytes));
    ASSERT_EQ(members.size(), 3U);
    std::vector<std::byte> memory;
    EXPECT_EQ(members[0].name, "a.npy");
    EXPECT_EQ(as_text(unpack(members[0], memory)), "first");
    EXPECT_TRUE(memory.empty()) << "stored members are read in place";
    EXPECT_EQ(as_text(unpack(members[1], memory)), large);
    EXPECT_EQ(as_text(unpack(members[2], memory)), "");
  }
}

TEST(ZipArchives, that_are_damaged_are_refused_by_name) {
  const auto changed = [](const std::function<void(ZipPart&)>& change, bool zip64 = false) {
    ZipBuilder zip(zip64);
    change(zip.add("a.npy", "some bytes", true));
    return zip.finish();
  };
  const std::string good = changed([](ZipPart&) {});
  EXPECT_EQ(zip_refusal(good), "accepted");
  EXPECT_EQ(zip_refusal(""), "is no zip archive, or truncated: it has no end record");
  EXPECT_EQ(zip_refusal(good.substr(0, good.size() - 1)), "is no zip archive, or truncated: it has no end record");
  EXPECT_NE(zip_refusal(good.substr(20)).find("is damaged: "), std::string::npos) << zip_refusal(good.substr(20));
  EXPECT_EQ(zip_refusal(changed([](ZipPart& part) { part.method = 14; })),
            "packs a member by method 14, expected 0 (stored) or 8 (deflate)");
  EXPECT_EQ(zip_refusal(changed([](ZipPart& part) { part.flags = 1; })), "is an encrypted zip archive");
  EXPECT_EQ(zip_refusal(changed([](ZipPart& part) { part.local_name = "b.npy"; })),
            "is damaged: a member's name differs from the directory's");
  EXPECT_EQ(zip_refusal(changed([](ZipPart& part) { part.crc ^= 1U; })).substr(0, 21), "is damaged: checksum ");
  EXPECT_EQ(zip_refusal(changed([](ZipPart& part) { part.size = 11; })),
            "is damaged: it does not unpack to the 11 bytes it claims");
  EXPECT_EQ(zip_refusal(changed([](ZipPart& part) { part.packed[0] = '\7'; })),
            "is damaged: it does not unpack to the 10 bytes it claims");
  EXPECT_EQ(zip_refusal(changed([](ZipPart& part) { part.method = 0; })),
            "is damaged: a stored member of 15 bytes claims 10");
  ZipBuilder twice;
  twice.add("a.npy", "1");
  twice.add("a.npy", "2");
  EXPECT_EQ(zip_refusal(twice.finish()), "is damaged: two members have the same name");
  EXPECT_EQ(zip_refusal(ZipBuilder().finish()), "accepted") << "no members";
}

TEST(ZipArchives, claims_of_size_are_checked_before_memory_is_taken) {
  const auto claiming = [](std::uint64_t size) {
    ZipBuilder zip(true);
    zip.add("a.npy", "some bytes", true).size = size;
    return zip.finish();
  };
  EXPECT_EQ(zip_refusal(claiming(std::uint64_t{1} << 62)).substr(0, 44),
            "would unpack to 4611686018427387904 bytes, a");
  EXPECT_EQ(zip_refusal(claiming(1 << 20)), "is damaged: 1048576 bytes cannot come out of 15");
  EXPECT_EQ(zip_refusal(claiming(10), 9).substr(0, 40), "would unpack to 10 bytes, at most 9 are ");
}

TEST(ZipArchives, never_crash_on_changed_bytes) {
  const unsigned seed = 4711;
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  for (const bool zip64 : {false, true}) {
    ZipBuilder zip(zip64);
    const std::uint64_t shape[] = {4};
    zip.add("a.npy", npy_bytes(shape, std::vector<float>(4)));
    zip.add("b.npy", npy_bytes(shape, std::vector<float>(4)), true);
    const std::string good = zip.finish();
    for (int i = 0; i < 3000; ++i) {
      std::string bytes = good;
      for (unsigned n = random() % 4; n-- > 0;) bytes[random() % bytes.size()] = static_cast<char>(random());
      if (random() % 8 == 0) bytes.resize(random() % bytes.size());
      try {
        std::vector<std::byte> memory;
        for (const ZipMember& member : zip_members(as_bytes(bytes))) parse_npy(unpack(member, memory, 1 << 20));
      } catch (const BadArrayFile&) {
      }
    }
  }
}

}  // namespace
}  // namespace kvwave::traces
