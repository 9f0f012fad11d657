#include "viewer/panels/table.h"

#include <algorithm>

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

void draw_ledger(Ui& ui, const Table& table, ImVec2 size) {
  const ImGuiTableFlags flags = ImGuiTableFlags_RowBg | ImGuiTableFlags_BordersInnerH | ImGuiTableFlags_ScrollY |
                                ImGuiTableFlags_ScrollX | ImGuiTableFlags_Resizable | ImGuiTableFlags_SizingFixedFit;
  const int columns = static_cast<int>(table.columns.size());
  if (!ImGui::BeginTable("ledger", columns, flags, size)) return;
  ImGui::TableSetupScrollFreeze(2, 1);
  for (const std::string& name : table.columns) ImGui::TableSetupColumn(name.empty() ? "##which" : name.c_str());
  ImGui::TableHeadersRow();
  ImGuiListClipper clipper;
  clipper.Begin(static_cast<int>(table.rows.size()));
  while (clipper.Step()) {
    for (int r = clipper.DisplayStart; r < clipper.DisplayEnd; ++r) {
      const auto& row = table.rows[static_cast<std::size_t>(r)];
      ImGui::TableNextRow();
      const bool control = row[1].ends_with("(control)");
      for (int c = 0; c < columns; ++c) {
        ImGui::TableSetColumnIndex(c);
        const std::string& text = row[static_cast<std::size_t>(c)];
        if (c == 0 && !ui.exporting) {
          const bool chosen = !text.empty();
          if (ImGui::Selectable(fmt::format("##{}", r).c_str(), chosen, ImGuiSelectableFlags_SpanAllColumns)) {
            choose_line(ui, static_cast<std::uint32_t>(r));
          }
          ImGui::SetItemTooltip("click: make it A; Shift+click: B");
          ImGui::SameLine(0, 0);
        }
        ImVec4 colour = control ? ui.theme.muted : ui.theme.ink;
        if (c == 0) colour = text == "B" ? ui.theme.b : ui.theme.a;
        if (c == columns - 1) colour = ui.theme.warning;
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
