#include "viewer/app/theme.h"

#include <array>
#include <implot.h>

namespace kvwave::viewer {
namespace {

// Lines that are neither A nor B. Chosen by search: 3:1 against the panel, and apart from one another, from A, B and
// the controls by at least 15 in Lab, also as a red- or green-blind eye sees them. No blue, no orange, no cursor's
// pink.
constexpr std::array kOthersOnLight = {0x39966d, 0x6e3180, 0x7c6441, 0x04636b, 0x828c44, 0x977cad, 0x773740, 0x0d5807};
constexpr std::array kOthersOnDark = {0x71dc97, 0x8b69aa, 0xbb8c67, 0x88c2ac, 0x7b7a32, 0xe1b9eb, 0xb75b66, 0xb2d270};

ImVec4 rgb(int hex, float alpha = 1) {
  return {static_cast<float>(hex >> 16 & 255) / 255.0F, static_cast<float>(hex >> 8 & 255) / 255.0F,
          static_cast<float>(hex & 255) / 255.0F, alpha};
}

ImVec4 with_alpha(ImVec4 colour, float alpha) {
  colour.w = alpha;
  return colour;
}

ImVec4 between(const ImVec4& from, const ImVec4& to, float share) {
  return {from.x + (to.x - from.x) * share, from.y + (to.y - from.y) * share, from.z + (to.z - from.z) * share, 1};
}

void set_widget_colours(const Theme& t) {
  ImVec4* c = ImGui::GetStyle().Colors;
  const ImVec4 soft = between(t.panel, t.ink, 0.06F), mid = between(t.panel, t.ink, 0.12F),
               strong = between(t.panel, t.ink, 0.2F);
  const ImVec4 tint = between(t.panel, t.accent, 0.16F), tint_strong = between(t.panel, t.accent, 0.28F);
  c[ImGuiCol_Text] = t.ink;
  c[ImGuiCol_TextDisabled] = t.muted;
  c[ImGuiCol_TextLink] = t.accent;
  c[ImGuiCol_WindowBg] = c[ImGuiCol_ChildBg] = t.panel;
  c[ImGuiCol_PopupBg] = t.raised;
  c[ImGuiCol_Border] = t.line;
  c[ImGuiCol_BorderShadow] = rgb(0, 0);
  c[ImGuiCol_FrameBg] = soft;
  c[ImGuiCol_FrameBgHovered] = mid;
  c[ImGuiCol_FrameBgActive] = strong;
  c[ImGuiCol_TitleBg] = c[ImGuiCol_TitleBgActive] = c[ImGuiCol_TitleBgCollapsed] = t.background;
  c[ImGuiCol_MenuBarBg] = t.background;
  c[ImGuiCol_ScrollbarBg] = with_alpha(t.panel, 0);
  c[ImGuiCol_ScrollbarGrab] = mid;
  c[ImGuiCol_ScrollbarGrabHovered] = strong;
  c[ImGuiCol_ScrollbarGrabActive] = t.muted;
  c[ImGuiCol_CheckMark] = t.accent;
  c[ImGuiCol_CheckboxSelectedBg] = tint_strong;
  c[ImGuiCol_InputTextCursor] = t.ink;
  c[ImGuiCol_SliderGrab] = t.accent;
  c[ImGuiCol_SliderGrabActive] = t.accent;
  c[ImGuiCol_Button] = soft;
  c[ImGuiCol_ButtonHovered] = mid;
  c[ImGuiCol_ButtonActive] = strong;
  c[ImGuiCol_Header] = tint;
  c[ImGuiCol_HeaderHovered] = mid;
  c[ImGuiCol_HeaderActive] = tint_strong;
  c[ImGuiCol_Separator] = t.line;
  c[ImGuiCol_SeparatorHovered] = c[ImGuiCol_SeparatorActive] = t.accent;
  c[ImGuiCol_ResizeGrip] = rgb(0, 0);
  c[ImGuiCol_ResizeGripHovered] = c[ImGuiCol_ResizeGripActive] = tint_strong;
  c[ImGuiCol_Tab] = c[ImGuiCol_TabDimmed] = t.background;
  c[ImGuiCol_TabHovered] = mid;
  c[ImGuiCol_TabSelected] = c[ImGuiCol_TabDimmedSelected] = t.panel;
  c[ImGuiCol_TabSelectedOverline] = t.accent;
  c[ImGuiCol_TabDimmedSelectedOverline] = t.line;
  c[ImGuiCol_DockingPreview] = with_alpha(t.accent, 0.4F);
  c[ImGuiCol_DockingEmptyBg] = t.background;
  c[ImGuiCol_TableHeaderBg] = soft;
  c[ImGuiCol_TableBorderStrong] = t.line;
  c[ImGuiCol_TableBorderLight] = t.grid;
  c[ImGuiCol_TableRowBg] = rgb(0, 0);
  c[ImGuiCol_TableRowBgAlt] = with_alpha(t.ink, 0.025F);
  c[ImGuiCol_TextSelectedBg] = with_alpha(t.accent, 0.3F);
  c[ImGuiCol_NavCursor] = t.accent;
  c[ImGuiCol_NavWindowingHighlight] = t.accent;
  c[ImGuiCol_NavWindowingDimBg] = rgb(0x000000, 0.25F);
  c[ImGuiCol_DragDropTarget] = t.accent;
  c[ImGuiCol_DragDropTargetBg] = with_alpha(t.accent, 0.16F);
  c[ImGuiCol_ModalWindowDimBg] = rgb(0x000000, 0.25F);
}

void set_plot_style(const Theme& t, float scale) {
  ImPlotStyle& style = ImPlot::GetStyle();
  style = ImPlotStyle();
  style.PlotBorderSize = 1;
  style.MinorAlpha = 0.45F;
  style.MajorTickLen = style.MinorTickLen = ImVec2(0, 0);
  style.PlotPadding = ImVec2(4 * scale, 4 * scale);
  style.LabelPadding = ImVec2(5 * scale, 4 * scale);
  style.LegendPadding = ImVec2(6 * scale, 6 * scale);
  style.LegendInnerPadding = ImVec2(6 * scale, 4 * scale);
  style.LegendSpacing = ImVec2(10 * scale, 1 * scale);
  style.MousePosPadding = ImVec2(6 * scale, 4 * scale);
  style.PlotMinSize = ImVec2(40, 40);
  ImVec4* c = style.Colors;
  c[ImPlotCol_FrameBg] = rgb(0, 0);
  c[ImPlotCol_PlotBg] = t.panel;
  c[ImPlotCol_PlotBorder] = t.line;
  c[ImPlotCol_LegendBg] = with_alpha(t.panel, 0.88F);
  c[ImPlotCol_LegendBorder] = t.grid;
  c[ImPlotCol_LegendText] = t.ink;
  c[ImPlotCol_TitleText] = t.ink;
  c[ImPlotCol_InlayText] = t.muted;
  c[ImPlotCol_AxisText] = t.muted;
  c[ImPlotCol_AxisGrid] = t.grid;
  c[ImPlotCol_AxisTick] = t.grid;
  c[ImPlotCol_AxisBg] = rgb(0, 0);
  c[ImPlotCol_AxisBgHovered] = with_alpha(t.ink, 0.06F);
  c[ImPlotCol_AxisBgActive] = with_alpha(t.ink, 0.1F);
  c[ImPlotCol_Selection] = t.accent;
  c[ImPlotCol_Crosshairs] = t.muted;
}

}  // namespace

Theme make_theme(ThemeKind kind) {
  Theme t;
  t.kind = kind;
  if (kind == ThemeKind::light) {
    t.background = rgb(0xeef0f3), t.panel = rgb(0xffffff), t.raised = rgb(0xffffff);
    t.ink = rgb(0x1c2229), t.muted = rgb(0x5b6570), t.line = rgb(0xccd2d9), t.grid = rgb(0xe8ebef);
    t.accent = rgb(0xa3195b), t.a = rgb(0x0072b2), t.b = rgb(0xd55e00), t.control = rgb(0x8a929b),
    t.warning = rgb(0x9a6700);
  } else {
    t.background = rgb(0x14171b), t.panel = rgb(0x1b1f24), t.raised = rgb(0x23282e);
    t.ink = rgb(0xe6e9ec), t.muted = rgb(0x9aa4ae), t.line = rgb(0x3a424b), t.grid = rgb(0x2a3037);
    t.accent = rgb(0xff7ab8), t.a = rgb(0x4aa8e8), t.b = rgb(0xf58a3c), t.control = rgb(0x858e98),
    t.warning = rgb(0xe3b341);
  }
  return t;
}

ImVec4 Theme::of(Role role, std::size_t index) const {
  switch (role) {
    case Role::a:
      return a;
    case Role::b:
      return b;
    case Role::control:
      return control;
    case Role::reference:
      return ink;
    case Role::other:
      break;
  }
  const auto& others = kind == ThemeKind::light ? kOthersOnLight : kOthersOnDark;
  return rgb(others[index % others.size()]);
}

void apply_theme(const Theme& theme, float scale) {
  ImGuiStyle& style = ImGui::GetStyle();
  style = ImGuiStyle();
  set_widget_colours(theme);
  style.WindowPadding = ImVec2(10, 8);
  style.FramePadding = ImVec2(7, 3);
  style.ItemSpacing = ImVec2(8, 5);
  style.ItemInnerSpacing = ImVec2(6, 4);
  style.CellPadding = ImVec2(6, 2);
  style.ScrollbarSize = 12;
  style.GrabMinSize = 12;
  style.WindowRounding = style.ChildRounding = 0;
  style.FrameRounding = style.PopupRounding = style.GrabRounding = style.ScrollbarRounding = 4;
  style.TabRounding = 3;
  style.TabBarOverlineSize = 2;
  style.WindowBorderSize = style.FrameBorderSize = 1;
  style.DockingSeparatorSize = 3;
  style.WindowMenuButtonPosition = ImGuiDir_None;
  style.ScaleAllSizes(scale);
  style.FontSizeBase = kTextSize;
  style.FontScaleDpi = scale;
  set_plot_style(theme, scale);
}

ImU32 packed(const ImVec4& colour, float alpha) {
  return ImGui::GetColorU32(with_alpha(colour, colour.w * alpha));
}

}  // namespace kvwave::viewer
