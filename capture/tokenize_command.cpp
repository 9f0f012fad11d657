#include <optional>
#include <string>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "capture/commands.h"
#include "capture/model.h"
#include "capture/prompt_form_options.h"
#include "capture/prompt_text.h"
#include "capture/tokenizer.h"
#include "traces/command_line.h"
#include "traces/command_options.h"

namespace kvwave::capture {

int tokenize_command(std::span<const std::string> args) {
  namespace po = boost::program_options;
  po::options_description options;
  options.add_options()("model,m", po::value<std::string>()->value_name("MODEL"),
                        "the model: a GGUF file, or a folder")("prompt,p", po::value<std::string>()->value_name("TEXT"),
                                                               "the text")(
      "prompt-file,P", po::value<std::string>()->value_name("FILE"), "the text from a file, - for stdin")(
      "raw", "the text as it is, without the model's chat template")(
      "system", po::value<std::string>()->value_name("TEXT"), "a system message in front")(
      "think", "switch thinking on, where the model's template knows it")("no-think", "switch it off");
  const auto values = traces::parse_options(
      "usage: kvwave tokenize -m MODEL (-p TEXT | -P FILE) [--raw | --system TEXT --think]\n\nPrints token ids, space "
      "separated.",
      options, "", args);
  if (!values) return traces::kComplete;
  if (!values->contains("model")) throw traces::UsageError("option -m/--model is required: the model file");
  if (values->contains("prompt") == values->contains("prompt-file")) {
    throw traces::UsageError("expected exactly one of -p/--prompt and -P/--prompt-file");
  }
  const std::string text = values->contains("prompt") ? (*values)["prompt"].as<std::string>()
                                                      : read_text_file((*values)["prompt-file"].as<std::string>());
  const PromptForm form = read_prompt_form(*values);
  const Model model = Model::load((*values)["model"].as<std::string>());
  const Tokenizer tokenizer(model.tokenizer_data());
  fmt::print("{}\n",
             fmt::join(encode_prompt(tokenizer, model.tokenizer_data(), {{ChatMessage{"user", text}}}, form), " "));
  return traces::kComplete;
}

}  // namespace kvwave::capture
