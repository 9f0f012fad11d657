#include "tests/traces/child_process.h"

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fcntl.h>
#include <signal.h>
#include <span>
#include <stdexcept>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "tests/traces/trace_builder.h"
#include "traces/array_file.h"
#include "traces/error.h"

namespace kvwave::traces::testing {
namespace {

constexpr const char* kRole = "KVWAVE_TEST_ROLE";
constexpr const char* kPath = "KVWAVE_TEST_PATH";

/// Writes rows without end, a few flushes a second, and tells after each row how many are flushed by now.
int write_until_killed(const std::string& path) {
  MadeUp options;
  WriterOptions writer_options;
  writer_options.flush_seconds = 0.02;
  TraceWriter writer(path, made_up_info(options), writer_options);
  const int told = open((path + ".flushed").c_str(), O_WRONLY | O_CREAT, 0600);
  for (std::uint32_t position = 0;; ++position) {
    auto row = writer.acquire();
    fill_row(options, position, *row);
    writer.submit(std::move(row));
    const std::uint64_t flushed = writer.progress().rows_flushed;
    if (pwrite(told, &flushed, sizeof(flushed), 0) != sizeof(flushed)) return 1;
    std::this_thread::sleep_for(std::chrono::microseconds(300));
  }
}

int write_slowly(const std::string& path) {
  MadeUp options;
  WriterOptions writer_options;
  writer_options.flush_seconds = 0.01;
  TraceWriter writer(path, made_up_info(options), writer_options);
  close(open((path + ".flushed").c_str(), O_WRONLY | O_CREAT, 0600));
  for (std::uint32_t position = 0; position < kSlowRows; ++position) {
    auto row = writer.acquire();
    fill_row(options, position, *row);
    writer.submit(std::move(row));
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  writer.finish(StopReason::token_limit);
  return 0;
}

/// Writes under a limit of file size, which fails writes the way a full disk does. 0 when every way out of the writer
/// reported OutputFailed.
int write_until_full(const std::string& path) {
  signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{300000, 300000};
  setrlimit(RLIMIT_FSIZE, &limit);
  MadeUp options;
  WriterOptions writer_options;
  writer_options.flush_seconds = 0.005;
  int failures = 0;
  TraceWriter writer(path, made_up_info(options), writer_options);
  try {
    for (std::uint32_t position = 0; position < 100000; ++position) {
      auto row = writer.acquire();
      fill_row(options, position, *row);
      writer.submit(std::move(row));
    }
  } catch (const OutputFailed& error) {
    std::fprintf(stderr, "%s\n", error.what());
    ++failures;
  }
  try {
    writer.acquire();
  } catch (const OutputFailed&) {
    ++failures;
  }
  try {
    writer.finish(StopReason::token_limit);
  } catch (const OutputFailed&) {
    ++failures;
  }
  return failures == 3 ? 0 : 1;
}

std::uint64_t peak_kilobytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss);
}

/// Sends half a gigabyte of rows through the writer, faster than it can take them; 0 when memory grew by less than 48
/// MB.
int write_much(const std::string& path) {
  MadeUp options;
  options.levels = {false, false, true, false};
  options.n_prompt = 0;
  TraceWriter writer(path, made_up_info(options));
  const std::uint64_t before = peak_kilobytes();
  const std::size_t heads = std::size_t{options.shape.n_layers} * options.shape.n_q_heads;
  for (std::uint32_t position = 0; position < 3500; ++position) {
    auto row = writer.acquire();
    row->position = position;
    row->attention_count.assign(heads, position + 1);
    row->attention_residual.assign(heads, 0.0F);
    for (std::size_t head = 0; head < heads; ++head) {
      for (std::uint32_t key = 0; key <= position; ++key) row->attention_position.push_back(key);
    }
    row->attention_prob.assign(2 * row->attention_position.size(), std::byte{0});
    writer.submit(std::move(row));
  }
  writer.finish(StopReason::token_limit);
  const std::uint64_t grown = peak_kilobytes() - before;
  std::printf("%llu kB more at the peak\n", static_cast<unsigned long long>(grown));
  return grown < 48000 ? 0 : 1;
}

/// No room even for the empty datasets, and none for an array file: errors, no crash, no file left.
int create_without_room(const std::string& path) {
  signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{2000, 2000};
  setrlimit(RLIMIT_FSIZE, &limit);
  int failures = 0;
  try {
    const TraceWriter writer(path, made_up_info({}));
  } catch (const OutputFailed&) {
    ++failures;
  }
  try {
    ArrayFileWriter writer(path, false);
    const std::vector<float> values(10000);
    const std::uint64_t shape = values.size();
    writer.write("/values", std::span(&shape, 1), values, false);
    writer.commit();
  } catch (const OutputFailed&) {
    ++failures;
  }
  return failures == 2 && std::filesystem::is_empty(std::filesystem::path(path).parent_path()) ? 0 : 1;
}

}  // namespace

ChildProcess::ChildProcess(const std::string& role, const std::filesystem::path& path) {
  pid_ = fork();
  if (pid_ < 0) throw std::runtime_error("cannot fork");
  if (pid_ != 0) return;
  setenv(kRole, role.c_str(), 1);
  setenv(kPath, path.c_str(), 1);
  execl("/proc/self/exe", "traces_test", static_cast<char*>(nullptr));
  _exit(127);
}

ChildProcess::~ChildProcess() {
  if (pid_ < 0) return;
  kill();
  wait();
}

void ChildProcess::kill() {
  ::kill(pid_, SIGKILL);
}

int ChildProcess::wait() {
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

void run_child_role() {
  const char* role = getenv(kRole);
  const char* path = getenv(kPath);
  if (role == nullptr || path == nullptr) return;
  int status = 2;
  if (std::string(role) == "write_until_killed") status = write_until_killed(path);
  if (std::string(role) == "write_slowly") status = write_slowly(path);
  if (std::string(role) == "write_much") status = write_much(path);
  if (std::string(role) == "write_until_full") status = write_until_full(path);
  if (std::string(role) == "create_without_room") status = create_without_room(path);
  exit(status);  // runs HDF5's own cleanup at exit, which must survive a full disk too
}

}  // namespace kvwave::traces::testing
