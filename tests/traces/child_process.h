// Runs a piece of this test program in a process of its own, so that it can be killed or starved of disk space: the
// program starts itself again with an environment variable that names the role.
#pragma once

#include <filesystem>
#include <string>
#include <sys/types.h>

namespace kvwave::traces::testing {

/// Rows that the role "write_slowly" writes before it finishes.
inline constexpr unsigned kSlowRows = 400;

class ChildProcess {
 public:
  /// `role` and `path` arrive in the child's run_child_role().
  ChildProcess(const std::string& role, const std::filesystem::path& path);
  ~ChildProcess();  ///< kills and collects it if wait() was not called
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  void kill();
  /// Exit status, or -signal.
  int wait();

 private:
  pid_t pid_ = -1;
};

/// In the child: does what the environment asks for and exits. In the parent: returns.
void run_child_role();

}  // namespace kvwave::traces::testing
