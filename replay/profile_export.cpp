#include "replay/profile_export.h"

#include <fmt/format.h>

#include "alloc/budget_export.h"
#include "replay/implied_budgets.h"
#include "traces/command_line.h"
#include "traces/output_file.h"

namespace kvwave::replay {

ExportTarget parse_export(const std::string& text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string::npos || colon + 1 == text.size()) {
    throw traces::UsageError(
        fmt::format("--export {}: expected FORMAT:FILE, FORMAT being duoattention, headkv or lukv", text));
  }
  return {parse_table_format(std::string_view(text).substr(0, colon)), text.substr(colon + 1)};
}

void export_profile(const Profile& profile, const ExportShape& shape, std::span<const ExportTarget> targets,
                    bool overwrite) {
  const std::vector<double> budget = implied_budgets(profile, shape.n_kv_heads, shape.budget, shape.window).per_head;
  for (const ExportTarget& target : targets) {
    const alloc::HeadTable table =
        target.format == TableFormat::duoattention ? alloc::gates_from_budgets(budget, shape.n_kv_heads)
        : target.format == TableFormat::headkv     ? alloc::scores_from_budgets(budget, shape.window, shape.n_q_heads)
                                                   : alloc::curves_from_budgets(budget, shape.n_kv_heads);
    traces::write_text_file(target.path, table_bytes(target.format, table), overwrite);
  }
}

}  // namespace kvwave::replay
