#include "replay/profile_export.h"

#include <fmt/format.h>

#include "alloc/allocator.h"
#include "alloc/budget_export.h"
#include "alloc/strategy.h"
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
  const auto rule = alloc::make_allocator(alloc::Strategy::parse("reasonalloc-layer/rkv").allocator);
  const alloc::LayerPlan plan = rule->layer_plan({.n_layers = static_cast<std::uint32_t>(profile.demand.size()),
                                                  .n_kv_heads = shape.n_kv_heads,
                                                  .budget = shape.budget,
                                                  .window = shape.window,
                                                  .demand = profile.demand});
  std::vector<double> budget;
  for (const std::int32_t entries : plan.budget) budget.push_back(static_cast<double>(entries) / shape.n_kv_heads);
  for (const ExportTarget& target : targets) {
    const alloc::HeadTable table =
        target.format == TableFormat::duoattention ? alloc::gates_from_budgets(budget, shape.n_kv_heads)
        : target.format == TableFormat::headkv     ? alloc::scores_from_budgets(budget, shape.window, shape.n_q_heads)
                                                   : alloc::curves_from_budgets(budget, shape.n_kv_heads);
    traces::write_text_file(target.path, table_bytes(target.format, table), overwrite);
  }
}

}  // namespace kvwave::replay
