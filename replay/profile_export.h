// `kvwave calibrate --export FORMAT:FILE`: the layer budgets that a profile implies, as tables of other projects.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "replay/budget_tables.h"
#include "replay/profile.h"

namespace kvwave::replay {

struct ExportTarget {
  TableFormat format = TableFormat::headkv;
  std::filesystem::path path;
};

/// `FORMAT:FILE`. Throws traces::UsageError.
ExportTarget parse_export(const std::string& text);

/// What the tables are made for.
struct ExportShape {
  std::uint32_t n_q_heads = 0, n_kv_heads = 0;
  std::uint32_t budget = 128, window = 8;  ///< reasonalloc-layer's inputs
};

/// Layer budgets of reasonalloc-layer (default parameters) from the profile, written in each format as
/// alloc/budget_export.h says. Throws BadBudget, traces::OutputExists, traces::OutputFailed.
void export_profile(const Profile& profile, const ExportShape& shape, std::span<const ExportTarget> targets,
                    bool overwrite);

}  // namespace kvwave::replay
