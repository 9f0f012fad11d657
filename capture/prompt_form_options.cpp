#include "capture/prompt_form_options.h"

#include <fmt/format.h>

#include "traces/command_line.h"

namespace kvwave::capture {

PromptForm read_prompt_form(const boost::program_options::variables_map& values) {
  const auto conflict = [&values](const char* name, const char* other) {
    if (values.contains(name) && values.contains(other)) {
      throw traces::UsageError(fmt::format("options --{} and --{} exclude each other", name, other));
    }
  };
  for (const char* name : {"system", "think", "no-think"}) conflict("raw", name);
  conflict("think", "no-think");
  PromptForm form;
  form.raw = values.contains("raw");
  if (values.contains("system")) form.system = values["system"].as<std::string>();
  if (values.contains("think") || values.contains("no-think")) form.thinking = values.contains("think");
  return form;
}

}  // namespace kvwave::capture
