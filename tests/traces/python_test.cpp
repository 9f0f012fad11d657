// Plain h5py, without any filter plugin, reads every dataset; the documented example runs; FORMAT.md's table is true.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <thread>
#include <unistd.h>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/traces/child_process.h"
#include "tests/temporary_folder.h"
#include "tests/traces/trace_builder.h"
#include "traces/dataset_table.h"
#include "traces/repair.h"

namespace kvwave::traces::testing {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPython = "/usr/bin/python3";

/// Runs a Python program; its output, or "failed" plus the output when it did not exit with 0.
std::string run_python(const fs::path& script, const std::string& arguments) {
  const std::string command =
      fmt::format("HDF5_PLUGIN_PATH=/nowhere {} '{}' {} 2>&1", kPython, script.string(), arguments);
  std::FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return "failed to start";
  std::string output;
  char piece[4096];
  while (const std::size_t got = std::fread(piece, 1, sizeof(piece), pipe)) output.append(piece, got);
  return pclose(pipe) == 0 ? output : "failed\n" + output;
}

std::string format_text() {
  std::ifstream file(fs::path(KVWAVE_SOURCE_DIR) / "traces/FORMAT.md");
  return {std::istreambuf_iterator<char>(file), {}};
}

class PlainH5py : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string probe = fmt::format("{} -c 'import h5py, numpy' 2>/dev/null", kPython);
    if (std::system(probe.c_str()) != 0) GTEST_SKIP() << kPython << " has no h5py";
  }
  fs::path write_script(const std::string& text) {
    std::ofstream(folder_ / "script.py") << text;
    return folder_ / "script.py";
  }
  const TemporaryFolder folder_;
};

/// Compares every dataset with the numbers that kvwave's own reader gives, printed as sums.
constexpr const char* kSums = R"(import sys, h5py, numpy
rows = int(sys.argv[2])
f = h5py.File(sys.argv[1], 'r', swmr=sys.argv[3] == 'swmr')
names = []
f.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
for name in names:
    assert f[name][...].size == f[name].size
k = f['qkv/k'][:rows].astype('float64')
print('k %.6f' % k.sum())
print('demand %d' % f['stats/demand'][:rows].astype('int64').sum())
print('ids %d' % f['tokens/id'][:rows].astype('int64').sum())
start, count = f['attention/row_start'], f['attention/count']
print('mass %.6f' % sum(f['attention/prob'][int(start[r]):int(start[r]) + int(count[r].sum())].astype('float64').sum()
                        for r in range(int(f.attrs['first_row']), rows)))
)";

std::string expected_sums(const fs::path& path) {
  const TraceReader trace(path);
  const std::uint32_t rows = trace.n_positions();
  const ModelShape& shape = trace.shape();
  double k_sum = 0;
  std::vector<float> k(std::size_t{rows} * shape.n_kv_heads * shape.head_dim);
  for (std::uint32_t layer = 0; layer < shape.n_layers; ++layer) {
    trace.k(layer, 0, rows, k);
    for (const float value : k) k_sum += value;
  }
  std::vector<std::uint32_t> demand(std::size_t{rows} * shape.n_layers * shape.n_q_heads * trace.info().rho.size());
  trace.demand(0, rows, demand);
  std::uint64_t demand_sum = 0;
  for (const std::uint32_t value : demand) demand_sum += value;
  std::vector<std::int32_t> ids(rows);
  trace.token_ids(0, rows, ids);
  std::int64_t id_sum = 0;
  for (const std::int32_t id : ids) id_sum += id;
  double mass = 0;
  AttentionRows attention;
  for (std::uint32_t row = trace.info().first_row; row < rows; ++row) {
    trace.attention(row, attention);
    for (std::uint32_t layer = 0; layer < shape.n_layers; ++layer) {
      for (std::uint32_t head = 0; head < shape.n_q_heads; ++head) {
        for (const float prob : attention.row(layer, head).prob) mass += prob;
      }
    }
  }
  return fmt::format("k {:.6f}\ndemand {}\nids {}\nmass {:.6f}\n", k_sum, demand_sum, id_sum, mass);
}

TEST_F(PlainH5py, reads_a_finished_trace) {
  const MadeUp options;
  write_trace(folder_ / "t.h5", options);
  const std::string arguments = fmt::format("'{}' {} plain", (folder_ / "t.h5").string(), options.n_positions);
  EXPECT_EQ(run_python(write_script(kSums), arguments), expected_sums(folder_ / "t.h5"));
}

TEST_F(PlainH5py, reads_the_trace_of_a_killed_writer_and_its_repaired_copy) {
  const fs::path path = folder_ / "t.h5";
  {
    ChildProcess writer("write_until_killed", path);
    const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!fs::exists(path.string() + ".flushed") && std::chrono::steady_clock::now() < patience) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    writer.kill();
    ASSERT_EQ(writer.wait(), -9);
  }
  const std::uint32_t rows = TraceReader(path).n_positions();
  ASSERT_GT(rows, 40U);
  const fs::path script = write_script(kSums);
  EXPECT_EQ(run_python(script, fmt::format("'{}' {} swmr", path.string(), rows)), expected_sums(path));
  repair_trace(path, folder_ / "fixed.h5", false);
  EXPECT_EQ(run_python(script, fmt::format("'{}' {} plain", (folder_ / "fixed.h5").string(), rows)),
            expected_sums(path));
}

TEST_F(PlainH5py, runs_the_example_of_the_format_document) {
  const std::string text = format_text();
  const std::size_t begin = text.find("```python\n");
  ASSERT_NE(begin, std::string::npos);
  const std::size_t code = begin + std::string("```python\n").size();
  const fs::path script = write_script(text.substr(code, text.find("```", code) - code));
  write_trace(folder_ / "t.h5", {});
  const std::string output = run_python(script, fmt::format("'{}'", (folder_ / "t.h5").string()));
  EXPECT_EQ(output.find("wave ["), 0U) << output;
  EXPECT_NE(output.find("\nsink "), std::string::npos) << output;
}

TEST(FormatDocument, lists_every_dataset_as_the_program_writes_it) {
  const std::string text = format_text();
  const TraceInfo info = made_up_info({});
  for (const DatasetSpec& spec : dataset_table(info)) {
    const bool prob = spec.column == Column::attention_prob;
    const bool vectors = spec.level == &Levels::qkv;
    const std::string type = prob ? "attention_dtype" : vectors ? "qkv_dtype" : std::string(to_string(spec.type));
    const std::string fill = spec.fill != spec.fill ? "NaN" : fmt::format("{}", spec.fill);
    std::string chunk = fmt::format("{}", spec.chunk_rows);
    for (std::size_t i = 1; i < spec.dimensions.size(); ++i) {
      const std::string name = spec.dimensions[i];
      if (name == "layer") chunk += spec.split_layers ? ", 1" : ", L";
      if (name == "q_head") chunk += ", Hq";
      if (name == "kv_head") chunk += ", Hkv";
      if (name == "rho") chunk += ", n_rho";
      if (name == "dim") chunk += ", d";
    }
    const std::string line_end =
        fmt::format("| {} | {} | {} | {} | {} |\n", type, fill, spec.filtered ? "s+d" : "-", chunk, spec.unit);
    const std::size_t at = text.find(fmt::format("| `{}` | [", spec.name));
    ASSERT_NE(at, std::string::npos) << spec.name;
    const std::string line = text.substr(at, text.find('\n', at) + 1 - at);
    EXPECT_TRUE(line.ends_with(line_end)) << line << "should end in " << line_end;
  }
}

}  // namespace
}  // namespace kvwave::traces::testing
