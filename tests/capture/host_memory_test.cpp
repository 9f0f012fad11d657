#include "capture/host_memory.h"

#include <gtest/gtest.h>

#include "capture/error.h"
#include "tests/capture/tiny_llama.h"
#include "tests/temporary_folder.h"

namespace kvwave::capture {
namespace {

constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;

HostMemory of_sizes(std::uint64_t parameters, std::uint64_t kv_cache) {
  HostMemory memory;
  memory.positions = 1000;
  memory.parameters = parameters;
  memory.kv_cache = kv_cache;
  return memory;
}

TEST(HostMemory, counts_the_file_and_a_cache_that_grows_by_pages) {
  const TemporaryFolder folder;
  const testing::TinyLlama shape;
  testing::write_tiny_llama(folder / "tiny.gguf", shape);
  const Model model = Model::load(folder / "tiny.gguf");
  const HostMemory few = predict_host_memory(model, CacheType::f16, 64, 2, true);
  EXPECT_EQ(few.parameters, std::filesystem::file_size(folder / "tiny.gguf"));
  EXPECT_EQ(few.kv_cache, std::uint64_t{2} * 2 * 64 * shape.n_layers * shape.n_kv_heads * shape.head_dim);
  EXPECT_EQ(predict_host_memory(model, CacheType::f16, 65, 2, true).kv_cache, 2 * few.kv_cache);
  EXPECT_EQ(predict_host_memory(model, CacheType::f32, 64, 2, true).kv_cache, 2 * few.kv_cache);
  EXPECT_EQ(predict_host_memory(model, CacheType::f16, 64, 2, false).recording, 0U);
}

TEST(HostMemory, parameters_are_copied_only_where_half_of_the_memory_stays_free) {
  const HostMemory memory = of_sizes(8 * kGiB, kGiB);
  EXPECT_EQ(placement(memory, 16 * kGiB), Placement::copied);
  EXPECT_EQ(placement(memory, 16 * kGiB - 1), Placement::mapped);
  EXPECT_EQ(placement(memory, 9 * kGiB - 1), Placement::reread);
  EXPECT_EQ(placement(memory, 0), Placement::mapped) << "not known how much there is";
}

TEST(HostMemory, a_run_that_cannot_fit_is_refused_and_one_that_will_crawl_is_announced) {
  EXPECT_EQ(check_host_memory(of_sizes(8 * kGiB, kGiB), false, 10 * kGiB), "");
  EXPECT_EQ(check_host_memory(of_sizes(8 * kGiB, kGiB), true, 2 * kGiB), "") << "the copy is there already";
  EXPECT_EQ(check_host_memory(of_sizes(8 * kGiB, kGiB), false, 0), "") << "not known how much there is";
  const std::string warning = check_host_memory(of_sizes(30 * kGiB, kGiB), false, 22 * kGiB);
  EXPECT_NE(warning.find("read from the disk again for every token"), std::string::npos) << warning;
  try {
    (void)check_host_memory(of_sizes(8 * kGiB, 30 * kGiB), true, 22 * kGiB);
    FAIL() << "accepted";
  } catch (const NotEnoughMemory& error) {
    EXPECT_NE(std::string(error.what()).find("1000 positions take 32.2 GB"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("lower -n"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace kvwave::capture
