// Arbitrary bytes as tokenizer.json, and as a chat template: both must end in a result or a typed error.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "capture/chat_template.h"
#include "capture/error.h"
#include "capture/json_reader.h"
#include "capture/tokenizer.h"
#include "capture/tokenizer_json.h"

namespace kvwave::capture {
namespace {

constexpr std::uint32_t kVocab = 512;

void use_as_tokenizer(std::string_view input) {
  try {
    const TokenizerData data = read_tokenizer_json(parse_json(input, "input"), "input", kVocab);
    const Tokenizer tokenizer(data);
    const std::string_view text = input.substr(input.size() - std::min<std::size_t>(input.size(), 64));
    for (const bool special : {false, true}) {
      const std::string back = tokenizer.decode(tokenizer.encode(text, special, false));
      if (!data.nfc && back != text) std::abort();
    }
  } catch (const Error&) {
  }
}

void use_as_template(std::string_view input) {
  TokenizerData data;
  data.source = "input";
  data.chat_template = input;
  try {
    (void)render_chat(data, {{ChatMessage{"system", "Be brief."}, ChatMessage{"user", "Hi"}}});
  } catch (const Error&) {
  }
}

}  // namespace
}  // namespace kvwave::capture

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  if (input.starts_with("{\"")) {
    kvwave::capture::use_as_tokenizer(input);
  } else {
    kvwave::capture::use_as_template(input);
  }
  return 0;
}
