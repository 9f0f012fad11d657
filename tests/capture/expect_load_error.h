// Loads a broken model file and checks the error: its type, that it is one line, names the file and says what is wrong.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "capture/model.h"
#include "tests/capture/gguf_builder.h"
#include "tests/temporary_folder.h"

namespace kvwave::capture::testing {

template <typename ExpectedError>
void expect_load_error(const std::filesystem::path& path, const std::string& part) {
  try {
    Model::load(path);
    ADD_FAILURE() << "accepted; expected an error with \"" << part << "\"";
  } catch (const ExpectedError& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find(part), std::string::npos) << text;
    EXPECT_NE(text.find(path.filename().string()), std::string::npos) << text;
    EXPECT_EQ(text.find('\n'), std::string::npos) << text;
  }
}

template <typename ExpectedError>
void expect_bytes_error(const std::string& bytes, const std::string& part) {
  const TemporaryFolder folder;
  std::ofstream(folder / "broken.gguf", std::ios::binary) << bytes;
  expect_load_error<ExpectedError>(folder / "broken.gguf", part);
}

template <typename ExpectedError>
void expect_build_error(const GgufBuilder& builder, const std::string& part) {
  expect_bytes_error<ExpectedError>(builder.build(), part);
}

}  // namespace kvwave::capture::testing
