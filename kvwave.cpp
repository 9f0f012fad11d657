// The program `kvwave`: picks the command, runs it, and is the one place where errors become a line and an exit code.
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <new>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <unistd.h>
#include <vector>

#include "alloc/error.h"
#include "capture/commands.h"
#include "kernels/cpu_features.h"
#include "kernels/device.h"
#include "replay/commands.h"
#include "traces/command_line.h"
#include "traces/commands.h"

namespace {

using Arguments = std::span<const std::string>;
using kvwave::traces::ExitCode;

struct Command {
  std::string_view name;
  std::string_view summary;
  int (*run)(Arguments);
};

int run_info(Arguments args);
int run_view(Arguments args);

constexpr std::array kCommands = {
    Command{"capture", "decode a prompt and record attention into a trace", kvwave::capture::capture_command},
    Command{"import", "another program's attention into a trace", kvwave::capture::import_command},
    Command{"info", "what a trace or a model holds", run_info},
    Command{"verify", "recompute what a trace claims", kvwave::replay::verify_command},
    Command{"calibrate", "traces to a Reasoning Wave profile", kvwave::replay::calibrate_command},
    Command{"replay", "what each strategy would lose, from one recording", kvwave::replay::replay_command},
    Command{"merge", "results of shards as those of one run", kvwave::replay::merge_command},
    Command{"strategies", "list allocators and scorers with their parameters", kvwave::replay::strategies_command},
    Command{"dump", "print part of a trace as CSV", kvwave::traces::dump_command},
    Command{"repair", "close a killed writer's trace cleanly", kvwave::traces::repair_command},
    Command{"tokenize", "print the token ids of a text", kvwave::capture::tokenize_command},
    Command{"view", "see the wave, the budgets and the dropped tokens move", run_view},
};

void print_usage(std::FILE* out) {
  std::fputs("usage: kvwave COMMAND [OPTIONS]\n\n", out);
  for (const Command& command : kCommands) {
    std::fprintf(out, "  %-11s %s\n", std::string(command.name).c_str(), std::string(command.summary).c_str());
  }
  std::fputs(
      "\n  kvwave COMMAND --help   options of one command\n  kvwave --version        version, commit and CPU path\n\n"
      "exit codes: 0 complete, 1 failure, 2 usage, 130 interrupted\n",
      out);
}

void print_version() {
  const auto [version, commit] = kvwave::traces::program_version();
  const int cuda = kvwave::kernels::list_devices().runtime_version;
  const std::string built =
      cuda == 0 ? "without CUDA" : "with CUDA " + std::to_string(cuda / 1000) + "." + std::to_string(cuda % 1000 / 10);
  std::printf("kvwave %s (%s), CPU path %s, built %s\n", version.c_str(), commit.c_str(),
              std::string(to_string(kvwave::kernels::simd_path())).c_str(), built.c_str());
}

/// `info` serves devices, traces and models: a folder is a model, of files the first bytes decide, so that the
/// extension never matters.
int run_info(Arguments args) {
  for (const std::string& arg : args) {
    if (arg == "--devices") return kvwave::capture::devices_command(args);
    if (arg.starts_with("-")) continue;
    std::error_code error;
    if (std::filesystem::is_directory(arg, error)) return kvwave::capture::model_info_command(args);
    std::array<char, 4> magic{};
    std::ifstream file(arg, std::ios::binary);
    if (file.read(magic.data(), magic.size()) && std::string_view(magic.data(), magic.size()) == "GGUF") {
      return kvwave::capture::model_info_command(args);
    }
    break;
  }
  return kvwave::traces::info_command(args);
}

/// The viewer is a program of its own beside this one, so that nothing else links a display library.
int run_view(Arguments args) {
  const std::filesystem::path viewer = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "kvwave-viewer";
  std::vector<std::string> words = {viewer.string()};
  words.insert(words.end(), args.begin(), args.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  execv(argv.front(), argv.data());
  const std::string why = errno == ENOENT ? "is not there: kvwave was built without the viewer (KVWAVE_VIEWER)"
                                          : std::string("cannot be started: ") + std::strerror(errno);
  throw std::runtime_error(viewer.string() + " " + why);
}

int dispatch(Arguments args) {
  if (args.empty()) {
    print_usage(stderr);
    return ExitCode::kUsage;
  }
  const std::string& word = args.front();
  if (word == "--help" || word == "-h" || word == "help") {
    print_usage(stdout);
    return ExitCode::kComplete;
  }
  if (word == "--version" || word == "version") {
    print_version();
    return ExitCode::kComplete;
  }
  std::vector<std::string> names;
  for (const Command& command : kCommands) {
    if (command.name == word) return command.run(args.subspan(1));
    names.emplace_back(command.name);
  }
  throw kvwave::traces::UsageError("unknown command '" + word + "'" + kvwave::traces::did_you_mean(word, names) +
                                   "; kvwave --help lists them");
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> args(argv + 1, argv + argc);
  const std::string who = args.empty() || args.front().starts_with("-") ? "kvwave" : "kvwave " + args.front();
  const auto fail = [&](const char* message, int code) {
    std::fprintf(stderr, "%s: %s\n", who.c_str(), message);
    return code;
  };
  try {
    const int code = dispatch(args);
    // Results went to stdout: a full disk or a closed pipe there is a failure like any other.
    if (std::fflush(stdout) != 0) return fail("standard output could not be written", ExitCode::kFailure);
    return code;
  } catch (const kvwave::traces::UsageError& error) {
    return fail(error.what(), ExitCode::kUsage);
  } catch (const kvwave::alloc::Error& error) {
    return fail(error.what(), ExitCode::kUsage);
  } catch (const std::bad_alloc&) {
    return fail("out of memory", ExitCode::kFailure);
  } catch (const std::exception& error) {
    return fail(error.what(), ExitCode::kFailure);
  }
}
