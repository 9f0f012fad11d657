// A folder with a tiny model, and `kvwave capture` run in it.
#pragma once

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/temporary_folder.h"
#include "tests/capture/tiny_llama.h"
#include "tests/cli/program.h"

namespace kvwave::cli_testing {

class CaptureFixture : public ::testing::Test {
 protected:
  CaptureFixture() {
    capture::testing::TinyLlama options;
    options.context_length = 60000;  // for runs that are to be interrupted
    capture::testing::write_tiny_llama(folder_ / "tiny.gguf", options);
  }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return path(name);
  }

  std::vector<std::string> with_model(std::vector<std::string> args) const {
    args.insert(args.begin(), {"capture", "-m", path("tiny.gguf"), "--threads", "1"});
    return args;
  }
  Outcome capture(const std::vector<std::string>& args, const std::string& input = "", Limits limits = {}) const {
    return run_program(with_model(args), folder_ / "", input, limits);
  }

  TemporaryFolder folder_;
};

}  // namespace kvwave::cli_testing
