// Arbitrary bytes as a model file: loading, tokenising and the chat template must end in a result or a typed error.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "capture/chat_template.h"
#include "capture/error.h"
#include "capture/model.h"
#include "capture/tokenizer.h"
#include "tests/fuzz/memory_file.h"

namespace kvwave::capture {
namespace {

void use(const std::string& path, std::string_view text) {
  try {
    const Model model = Model::load(path);
    try {
      (void)render_chat(model.tokenizer_data(), {{ChatMessage{"user", "Hi"}}});
    } catch (const Error&) {  // most templates are no Jinja
    }
    const Tokenizer tokenizer(model.tokenizer_data());
    const TokenizerData& data = model.tokenizer_data();
    const bool keeps_text = data.kind == "gpt2" && !data.nfc;  // neither normalised nor with a space in front
    for (const bool special : {false, true}) {
      const std::string back = tokenizer.decode(tokenizer.encode(text, special, false));
      if (keeps_text && back != text) std::abort();
    }
  } catch (const Error&) {
  }
}

}  // namespace
}  // namespace kvwave::capture

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const kvwave::fuzz::MemoryFile file(data, size);
  // The end of the input serves as text too.
  const std::size_t tail = size < 64 ? size : 64;
  kvwave::capture::use(file.path(), {reinterpret_cast<const char*>(data) + size - tail, tail});
  return 0;
}
