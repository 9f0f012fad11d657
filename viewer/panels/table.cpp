#include "viewer/panels/table.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "viewer/panels/plot.h"

namespace kvwave::viewer {
namespace {

bool is_number(const std::string& text) {
  return !text.empty() && text.find_first_not_of("0123456789.-eGMkB ") == std::string::npos;
}

void draw_cell(Ui& ui, const std::string& text, bool right, const ImVec4& colour) {
  if (right) {
    const float room = ImGui::GetContentRegionAvail().x - ImGui::CalcTextSize(text.c_str()).x;
    if (room > 0) ImGui::SetCursorPosX(ImGui::GetCursorPosX() + room);
  }
  ImGui::PushStyleColor(ImGuiCol_Text, colour);
  ImGui::TextUnformatted(text.c_str());
  ImGui::PopStyleColor();
  if (!ui.exporting && ImGui::IsItemHovered() && ImGui::IsMouseClicked(ImGuiMouseButton_Right)) {
    ImGui::SetClipboardText(text.c_str());
    ui.status = "copied: " + text;
  }
}

void choose_line(Ui& ui, std::uint32_t line) {
  Selection selection = ui.view().selection;
  (ImGui::GetIO().KeyShift ? selection.b : selection.a) = line;
  ui.select(selection);
}

// In a panel every pixel counts: one word a column, and a control is told by its grey.
std::string heading(const Ui& ui, const std::string& column) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kShort = {{{"requested", "asked"},
                                                                                    {"realised mean", "mean"},
                                                                                    {"realised peak", "peak"},
                                                                                    {"cache at peak", "cache"},
                                                                                    {"retained mass", "mass"}}};
  const auto found = std::find_if(kShort.begin(), kShort.end(), [&](const auto& one) { return one.first == column; });
  return std::string(ui.exporting || found == kShort.end() ? column : found->second);
}

std::string cell_text(const Ui& ui, const std::vector<std::string>& row, std::size_t column) {
  constexpr std::string_view kControl = " (control)";
  if (ui.exporting || column != 1 || !row[1].ends_with(kControl)) return row[column];
  return row[1].substr(0, row[1].size() - kControl.size());
}

// Widths that show every cell whole.
std::vector<float> natural_widths(const Ui& ui, const Table& table) {
  std::vector<float> widths;
  for (const std::string& name : table.columns) widths.push_back(ImGui::CalcTextSize(heading(ui, name).c_str()).x);
  for (const auto& row : table.rows) {
    for (std::size_t c = 0; c < row.size(); ++c)
      widths[c] = std::max(widths[c], ImGui::CalcTextSize(cell_text(ui, row, c).c_str()).x);
  }
  return widths;
}

// Columns that fit side by side: a cut number says something else, so the least important ones are left out whole.
std::vector<int> columns_that_fit(const Table& table, const std::vector<float>& widths, float room) {
  std::vector<int> columns(table.columns.size());
  std::iota(columns.begin(), columns.end(), 0);
  const float padding = 2 * ImGui::GetStyle().CellPadding.x + 1;
  const auto needed = [&] {
    float sum = 0;
    for (const int c : columns) sum += widths[static_cast<std::size_t>(c)] + padding;
    return sum;
  };
  while (columns.size() > 2 && table.importance.size() == table.columns.size() && needed() > room) {
    columns.erase(std::min_element(columns.begin(), columns.end(), [&](int x, int y) {
      return table.importance[static_cast<std::size_t>(x)] < table.importance[static_cast<std::size_t>(y)];
    }));
  }
  return columns;
}

std::string row_tip(const Table& table, const std::vector<std::string>& row) {
  std::string tip = row[1];
  for (std::size_t c = 2; c < row.size(); ++c) {
    if (!row[c].empty()) tip += fmt::format("\n{}: {}", table.columns[c], row[c]);
  }
  return tip + "\nclick: make it A; Shift+click: B";
}

void draw_ledger(Ui& ui, const Table& table, ImVec2 size) {
  const ImGuiTableFlags flags = ImGuiTableFlags_RowBg | ImGuiTableFlags_BordersInnerH | ImGuiTableFlags_ScrollY |
                                ImGuiTableFlags_NoSavedSettings | ImGuiTableFlags_SizingFixedFit;
  const std::vector<float> widths = natural_widths(ui, table);
  const std::vector<int> shown = columns_that_fit(table, widths, size.x - ImGui::GetStyle().ScrollbarSize);
  const int columns = static_cast<int>(shown.size());
  // Another table for another number of columns.
  if (!ImGui::BeginTable(fmt::format("ledger {}", columns).c_str(), columns, flags, size)) return;
  ImGui::TableSetupScrollFreeze(0, 1);
  for (const int c : shown) {
    const std::string& name = table.columns[static_cast<std::size_t>(c)];
    ImGui::TableSetupColumn(name.empty() ? "##which" : name.c_str(), 0, widths[static_cast<std::size_t>(c)]);
  }
  ImGui::TableNextRow(ImGuiTableRowFlags_Headers);
  for (int i = 0; i < columns; ++i) {
    ImGui::TableSetColumnIndex(i);
    const std::string& name = table.columns[static_cast<std::size_t>(shown[static_cast<std::size_t>(i)])];
    draw_cell(ui, heading(ui, name), shown[static_cast<std::size_t>(i)] > 1 && name != "flags", ui.theme.muted);
  }
  // Opens at the strategy that is looked at; from the second frame on, when heights are known.
  PlotMemory& memory = ui.plots["ledger"];
  if (!ui.exporting && memory.reset && ImGui::GetScrollMaxY() > 0) {
    const float row = ImGui::GetTextLineHeight() + 2 * ImGui::GetStyle().CellPadding.y;
    const Selection& selection = ui.view().selection;
    ImGui::SetScrollY(row * static_cast<float>(std::min(selection.a, selection.b)) - row);
    memory.reset = false;
  }
  ImGuiListClipper clipper;
  clipper.Begin(static_cast<int>(table.rows.size()));
  while (clipper.Step()) {
    for (int r = clipper.DisplayStart; r < clipper.DisplayEnd; ++r) {
      const auto& row = table.rows[static_cast<std::size_t>(r)];
      ImGui::TableNextRow();
      const bool control = row[1].ends_with("(control)");
      for (int i = 0; i < columns; ++i) {
        const int c = shown[static_cast<std::size_t>(i)];
        ImGui::TableSetColumnIndex(i);
        const std::string text = cell_text(ui, row, static_cast<std::size_t>(c));
        if (c == 0 && !ui.exporting) {
          const bool chosen = !text.empty();
          if (ImGui::Selectable(fmt::format("##{}", r).c_str(), chosen, ImGuiSelectableFlags_SpanAllColumns)) {
            choose_line(ui, static_cast<std::uint32_t>(r));
          }
          if (ImGui::IsItemHovered(ImGuiHoveredFlags_ForTooltip)) ImGui::SetTooltip("%s", row_tip(table, row).c_str());
          ImGui::SameLine(0, 0);
        }
        ImVec4 colour = control ? ui.theme.muted : ui.theme.ink;
        if (c == 0) colour = text == "B" ? ui.theme.b : ui.theme.a;
        if (table.columns[static_cast<std::size_t>(c)] == "flags") colour = ui.theme.warning;
        draw_cell(ui, text, c > 1 && is_number(text), colour);
      }
    }
  }
  ImGui::EndTable();
}

void draw_facts(Ui& ui, const Table& table, ImVec2 size) {
  if (!ImGui::BeginTable(
          "facts", 2, ImGuiTableFlags_ScrollY | ImGuiTableFlags_BordersInnerH | ImGuiTableFlags_SizingFixedFit, size))
    return;
  ImGui::TableSetupColumn("what");
  ImGui::TableSetupColumn("value", ImGuiTableColumnFlags_WidthStretch);
  for (const auto& row : table.rows) {
    ImGui::TableNextRow();
    ImGui::TableSetColumnIndex(0);
    draw_cell(ui, row[0], false, ui.theme.muted);
    ImGui::TableSetColumnIndex(1);
    ImGui::PushTextWrapPos(0);
    draw_cell(ui, row[1], false, ui.theme.ink);
    ImGui::PopTextWrapPos();
  }
  ImGui::EndTable();
}

}  // namespace

void draw_table_figure(Ui& ui, std::string_view name, ImVec2 size) {
  const FigureSlot& slot = ui.session.figure(name);
  if (!slot.figure || !slot.figure->table) {
    draw_message(ui, !slot.error.empty() ? slot.error : slot.pending ? "reading ..." : "nothing is open", size);
    return;
  }
  const Figure& figure = *slot.figure;
  const float top = ImGui::GetCursorPosY();
  draw_title(ui, figure);
  const float notes = figure.notes.empty() ? 0 : ImGui::GetTextLineHeightWithSpacing();
  const ImVec2 room(size.x, std::max(20.0F, size.y - (ImGui::GetCursorPosY() - top) - notes));
  ImGui::PushFont(nullptr, kSmallSize);
  if (figure.table->columns.size() == 2) {
    draw_facts(ui, *figure.table, room);
  } else {
    draw_ledger(ui, *figure.table, room);
  }
  for (const std::string& note : figure.notes) ImGui::TextDisabled("%s", note.c_str());
  ImGui::PopFont();
}

}  // namespace kvwave::viewer
