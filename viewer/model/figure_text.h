// A figure as numbers: tidy CSV of what it shows and a JSON that says what the picture is.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "viewer/model/figure.h"

namespace kvwave::viewer {

/// Cells that the CSV of a heatmap lists at most; a larger one is pooled and the header line says by how much.
inline constexpr std::uint64_t kMostCsvCells = 2'000'000;

/// Header line, then one row per point (`series,X,Y,low,high`) or cell (`X,Y,VALUE`), or the table itself. Fields with
/// commas, quotes or line ends are quoted (RFC 4180); what is absent is an empty field.
std::string to_csv(const Figure& figure);

/// Title, axes, series, colour range and notes, then `context` (key and value) as it is.
std::string to_json(const Figure& figure, const std::vector<std::pair<std::string, std::string>>& context);

/// One CSV field, quoted where needed.
std::string csv_field(std::string_view text);

}  // namespace kvwave::viewer
