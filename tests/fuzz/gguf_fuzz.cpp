// Arbitrary bytes as a model file: loading, tokenising and the chat template must end in a result or a typed error.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <sys/mman.h>
#include <unistd.h>

#include "capture/chat_template.h"
#include "capture/error.h"
#include "capture/model.h"
#include "capture/tokenizer.h"

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
  const int file = ::memfd_create("gguf_fuzz", 0);
  if (file < 0) std::abort();
  for (std::size_t done = 0; done < size;) {
    const ssize_t n = ::write(file, data + done, size - done);
    if (n <= 0) std::abort();
    done += static_cast<std::size_t>(n);
  }
  // The end of the input serves as text too.
  const std::size_t tail = size < 64 ? size : 64;
  kvwave::capture::use("/proc/self/fd/" + std::to_string(file),
                       {reinterpret_cast<const char*>(data) + size - tail, tail});
  ::close(file);
  return 0;
}
