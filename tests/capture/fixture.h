// Reference values from tests/data, and the real model where KVWAVE_MODEL names it.
#pragma once

#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace kvwave::capture::testing {

inline nlohmann::json read_fixture(const std::string& name) {
  std::ifstream in(std::string(KVWAVE_TEST_DATA) + "/" + name);
  if (!in) throw std::runtime_error("no fixture " + name);
  return nlohmann::json::parse(in);
}

inline std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

}  // namespace kvwave::capture::testing

/// Skips the test, saying why, when the real model is not at hand; otherwise its path is in `name`.
#define KVWAVE_REQUIRE_MODEL(name)                                             \
  const char* name = std::getenv("KVWAVE_MODEL");                              \
  if (name == nullptr || *name == '\0')                                        \
  GTEST_SKIP() << "KVWAVE_MODEL does not name the SmolLM2-135M-Instruct GGUF " \
                  "file"
