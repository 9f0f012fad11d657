// Runs the real `kvwave` and says what it printed and how it ended.
#pragma once

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <signal.h>
#include <sstream>
#include <stdexcept>
#include <string>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace kvwave::cli_testing {

inline std::string file_text(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

struct Outcome {
  int code = -1;    ///< exit code; 1000 + signal when a signal ended it
  std::string out;  ///< stdout
  std::string err;  ///< stderr
};

struct Limits {
  rlim_t file_bytes = RLIM_INFINITY;  ///< writes beyond fail like those on a full disk
};

/// A started program. Output goes to files in `folder`, so that nothing can block.
class Program {
 public:
  Program(const std::vector<std::string>& args, const std::filesystem::path& folder, const std::string& input = "",
          Limits limits = {})
      : out_(folder / "stdout.txt"), err_(folder / "stderr.txt") {
    const std::filesystem::path in = folder / "stdin.txt";
    std::ofstream(in, std::ios::binary) << input;
    const char* program = std::getenv("KVWAVE_BIN");
    std::vector<std::string> words = {program != nullptr ? program : KVWAVE_BIN};
    words.insert(words.end(), args.begin(), args.end());
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    pid_ = fork();
    if (pid_ < 0) throw std::runtime_error("fork failed");
    if (pid_ > 0) return;
    if (std::freopen(in.c_str(), "rb", stdin) == nullptr || std::freopen(out_.c_str(), "wb", stdout) == nullptr ||
        std::freopen(err_.c_str(), "wb", stderr) == nullptr) {
      _exit(126);
    }
    if (limits.file_bytes != RLIM_INFINITY) {
      const rlimit limit{limits.file_bytes, limits.file_bytes};
      setrlimit(RLIMIT_FSIZE, &limit);
      signal(SIGXFSZ, SIG_IGN);  // then write() fails instead
    }
    execv(argv[0], argv.data());
    _exit(127);
  }

  /// Waits until stdout holds something; false when that takes longer than 20 s.
  bool wait_for_output() const {
    for (int i = 0; i < 2000; ++i) {
      std::error_code error;
      if (std::filesystem::file_size(out_, error) > 0 && !error) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }
  void send(int signal_number) const { kill(pid_, signal_number); }

  Outcome wait() const {
    int status = 0;
    waitpid(pid_, &status, 0);
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
    return {code, file_text(out_), file_text(err_)};
  }

 private:
  std::filesystem::path out_, err_;
  pid_t pid_ = -1;
};

inline Outcome run_program(const std::vector<std::string>& args, const std::filesystem::path& folder,
                           const std::string& input = "", Limits limits = {}) {
  return Program(args, folder, input, limits).wait();
}

}  // namespace kvwave::cli_testing
