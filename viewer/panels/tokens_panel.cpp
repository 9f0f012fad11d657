// The text itself, coloured by how many heads still hold each token, and the map of who held what when.
#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "viewer/model/colour_map.h"
#include "viewer/model/figures.h"
#include "viewer/model/token_text.h"
#include "viewer/panels/controls.h"
#include "viewer/panels/plot.h"

namespace kvwave::viewer {
namespace {

constexpr std::uint32_t kSinks = 4, kWindow = 8;  // what the marks under tokens mean
constexpr std::size_t kMostHeadsListed = 6;

// Laid out again only when the text, the width or the font's size change.
const TokenLayout& layout_for(Ui& ui, float width) {
  LaidOutText& laid = ui.text;
  const auto& tokens = ui.session.tokens();
  const float size = ImGui::GetFontSize();
  if (laid.of != tokens || laid.width != width || laid.size != size) {
    laid.layout = lay_out_tokens(tokens->piece, static_cast<std::uint32_t>(tokens->piece.size()), width,
                                 [](const std::string& text) { return ImGui::CalcTextSize(text.c_str()).x; });
    laid.of = tokens, laid.width = width, laid.size = size;
  }
  return laid.layout;
}

std::string scope_words(const ViewState& view, const traces::ModelShape& shape) {
  if (view.scope == TokenScope::all_heads) return fmt::format("{} kv_heads", shape.n_layers * shape.n_kv_heads);
  if (view.scope == TokenScope::layer)
    return fmt::format("the {} kv_heads of layer {}", shape.n_kv_heads, view.selection.layer);
  return fmt::format("layer {}, kv_head {}", view.selection.layer, view.selection.q_head / shape.group());
}

// When and by whom the token was dropped, and whether it was needed later.
std::string story_of(Ui& ui, std::uint32_t position) {
  const ViewState& view = ui.view();
  const TraceSnapshot& trace = ui.session.trace();
  const TraceTokens& tokens = *ui.session.tokens();
  std::string text =
      fmt::format("position {} \"{}\", id {}", position, printable(tokens.piece[position]), tokens.id[position]);
  if (position < trace.info.n_prompt) {
    text += ", prompt";
  } else {
    text += fmt::format(", step {}, logprob {:.3f}", position - trace.info.n_prompt, tokens.logprob[position]);
  }
  const auto map = ui.session.evictions(false);
  if (!map) return text;
  const traces::ModelShape& shape = trace.info.shape;
  const HeadRange heads = heads_of(view, shape);
  text += fmt::format("\nheld at step {} by {} of {}", view.step, map->holders(heads, position, view.step),
                      scope_words(view, shape));
  const auto needs = ui.session.needs();
  std::vector<std::pair<std::int32_t, std::uint32_t>> drops;  // step, head
  std::uint32_t needed = 0, worst_head = 0;
  float worst = 0;
  for (std::uint32_t head = heads.begin; head < heads.end; ++head) {
    if (const std::int32_t when = map->when(head, position); when < static_cast<std::int32_t>(trace.n_steps()))
      drops.emplace_back(when, head);
    if (needs && needs->most(head, position) > 0) {
      ++needed;
      if (needs->most(head, position) > worst) worst = needs->most(head, position), worst_head = head;
    }
  }
  std::sort(drops.begin(), drops.end());
  const auto head_name = [&](std::uint32_t head) {
    return fmt::format("layer {} kv_head {}", head / shape.n_kv_heads, head % shape.n_kv_heads);
  };
  if (drops.empty()) return text + "\nnever dropped by A";
  text += fmt::format("\ndropped by {} of them between steps {} and {}", drops.size(), drops.front().first,
                      drops.back().first);
  for (std::size_t i = 0; i < std::min(drops.size(), kMostHeadsListed); ++i) {
    text += fmt::format("\n  step {}: {}", drops[i].first, head_name(drops[i].second));
  }
  if (drops.size() > kMostHeadsListed) text += fmt::format("\n  and {} more", drops.size() - kMostHeadsListed);
  if (!needs)
    return text + (trace.info.levels.attention ? "\nneeded later? reading ..."
                                               : "\nneeded later? not known without level attention");
  if (needed == 0) return text + "\nnot needed later (no attn_prob above 0.01 where it was dropped)";
  return text +
         fmt::format("\nNEEDED later by {}: most in {}, attn_prob {:.3f}, first at step {}\ndouble click: go there",
                     needed, head_name(worst_head), worst, needs->first(worst_head, position));
}

// To the first step at which the head that missed the token most would have needed it.
void jump_to_need(Ui& ui, std::uint32_t position) {
  const auto needs = ui.session.needs();
  if (!needs) return;
  const traces::ModelShape& shape = ui.session.trace().info.shape;
  const HeadRange heads = heads_of(ui.view(), shape);
  std::uint32_t best = heads.begin;
  for (std::uint32_t head = heads.begin; head < heads.end; ++head) {
    if (needs->most(head, position) > needs->most(best, position)) best = head;
  }
  if (needs->most(best, position) <= 0) return;
  ViewState view = ui.view();
  view.selection.layer = best / shape.n_kv_heads;
  view.selection.q_head = best % shape.n_kv_heads * shape.group();
  view.selection.position = position;
  view.step = static_cast<std::uint32_t>(needs->first(best, position));
  ui.set_view(std::move(view));
}

struct TokenLook {
  ImU32 fill = 0, text = 0;
  bool dropped = false;
};

// From the panel's ground to A's colour: the text stays calm, and A stays blue.
Rgb held_colour(const Ui& ui, float share) {
  const ImVec4 &from = ui.theme.panel, &to = ui.theme.a;
  const float t = 0.1F + 0.9F * share;
  const auto mix = [t](float a, float b) { return static_cast<std::uint8_t>((a + (b - a) * t) * 255.0F + 0.5F); };
  return {mix(from.x, to.x), mix(from.y, to.y), mix(from.z, to.z)};
}

// `held`: by how many of the heads; nothing without results.
TokenLook look_of(const Ui& ui, std::optional<std::uint32_t> held, HeadRange heads) {
  TokenLook look{0, packed(ui.theme.ink), false};
  if (!held) return look;
  if (*held == 0) {
    look.text = packed(ui.theme.muted, 0.75F);
    look.dropped = true;
    return look;
  }
  const Rgb colour = held_colour(ui, static_cast<float>(*held) / static_cast<float>(heads.size()));
  look.fill = pack(colour);
  look.text = luminance(colour) > 0.25 ? IM_COL32(15, 18, 22, 255) : IM_COL32(250, 250, 250, 255);
  return look;
}

void draw_token(Ui& ui, const TokenLook& look, ImVec2 at, const TokenBox& box, float line, const std::string& text,
                std::uint32_t position, bool found) {
  ImDrawList* draw = ImGui::GetWindowDrawList();
  const std::uint32_t newest = ui.session.trace().info.n_prompt + ui.view().step;
  const ImVec2 end(at.x + box.width, at.y + line - 3 * ui.scale);
  if (look.fill != 0) draw->AddRectFilled(at, end, look.fill);
  if (found) draw->AddRect(at, end, packed(ui.theme.warning), 0.0F, 2 * ui.scale);
  draw->AddText(ImVec2(at.x, at.y + ui.scale), look.text, text.c_str());
  const float y = end.y + ui.scale;
  if (position < kSinks) draw->AddLine(ImVec2(at.x, y), ImVec2(end.x, y), packed(ui.theme.ink), 2 * ui.scale);
  if (position + kWindow > newest && position <= newest)
    draw->AddLine(ImVec2(at.x, y), ImVec2(end.x, y), packed(ui.theme.accent), 2 * ui.scale);
  if (look.dropped && box.width > 2) {
    const float middle = at.y + line * 0.42F;
    draw->AddLine(ImVec2(at.x, middle), ImVec2(end.x, middle), packed(ui.theme.muted, 0.55F));
  }
  if (ui.view().selection.position == position)
    draw->AddRect(ImVec2(at.x - 1, at.y - 1), ImVec2(end.x + 1, end.y + 1), packed(ui.theme.accent), 0.0F,
                  2 * ui.scale);
}

void token_input(Ui& ui, const TokenLayout& layout, ImVec2 origin, float line) {
  if (ui.exporting || !ImGui::IsWindowHovered()) return;
  const ImVec2 mouse = ImGui::GetMousePos();
  const float row = std::floor((mouse.y - origin.y) / line);
  if (row < 0 || row + 1 >= static_cast<float>(layout.line_begin.size())) return;
  const auto index = static_cast<std::size_t>(row);
  for (std::uint32_t p = layout.line_begin[index]; p < layout.line_begin[index + 1]; ++p) {
    const TokenBox& box = layout.boxes[p];
    if (mouse.x < origin.x + box.x || mouse.x >= origin.x + box.x + box.width) continue;
    ImGui::BeginTooltip();
    ImGui::PushFont(nullptr, kSmallSize);
    const std::string story = story_of(ui, p);
    ImGui::TextUnformatted(story.c_str());
    ImGui::PopFont();
    ImGui::EndTooltip();
    if (ImGui::IsMouseDoubleClicked(ImGuiMouseButton_Left)) {
      jump_to_need(ui, p);
    } else if (ImGui::IsMouseClicked(ImGuiMouseButton_Left)) {
      Selection selection = ui.view().selection;
      selection.position = p;
      ui.select(selection);
    } else if (ImGui::GetIO().KeyCtrl && ImGui::IsKeyPressed(ImGuiKey_C, false)) {
      ImGui::SetClipboardText(story.c_str());
      ui.status = "copied what is known of position " + std::to_string(p);
    }
    return;
  }
}

void legend(Ui& ui, HeadRange heads) {
  ImGui::PushFont(nullptr, kSmallSize);
  ImDrawList* draw = ImGui::GetWindowDrawList();
  const ImVec2 start = ImGui::GetCursorScreenPos();
  const float line = ImGui::GetTextLineHeight(), width = 110 * ui.scale;
  float x = 0;
  const auto word = [&](const char* text, float gap) {
    draw->AddText(ImVec2(start.x + x, start.y), packed(ui.theme.muted), text);
    x += ImGui::CalcTextSize(text).x + gap * ui.scale;
  };
  if (ui.session.has_results()) {
    word("held by 1", 5);
    constexpr int kSlices = 48;
    for (int i = 0; i < kSlices; ++i) {
      draw->AddRectFilled(ImVec2(start.x + x + width * static_cast<float>(i) / kSlices, start.y + 2),
                          ImVec2(start.x + x + width * static_cast<float>(i + 1) / kSlices, start.y + line - 2),
                          pack(held_colour(ui, static_cast<float>(i) / (kSlices - 1))));
    }
    x += width + 5 * ui.scale;
    word(std::to_string(heads.size()).c_str(), 14);
    const float middle = start.y + line / 2;
    const float from = x;
    word("dropped", 14);
    draw->AddLine(ImVec2(start.x + from, middle), ImVec2(start.x + x - 14 * ui.scale, middle), packed(ui.theme.muted));
  }
  const auto underlined = [&](const char* text, const ImVec4& colour) {
    const float from = x;
    word(text, 14);
    draw->AddLine(ImVec2(start.x + from, start.y + line), ImVec2(start.x + x - 14 * ui.scale, start.y + line),
                  packed(colour), 2 * ui.scale);
  };
  underlined("sink", ui.theme.ink);
  underlined("newest 8", ui.theme.accent);
  ImGui::Dummy(ImVec2(x, line + 4 * ui.scale));
  ImGui::PopFont();
}

void search_box(Ui& ui) {
  std::array<char, 128> typed{};
  ui.search.copy(typed.data(), typed.size() - 1);
  if (ui.focus_search) ImGui::SetKeyboardFocusHere();
  ui.focus_search = false;
  ImGui::SetNextItemWidth(std::max(60.0F, ImGui::GetContentRegionAvail().x));
  const bool next = ImGui::InputTextWithHint("##search", "search the text (Ctrl+F)", typed.data(), typed.size(),
                                             ImGuiInputTextFlags_EnterReturnsTrue);
  ui.search = typed.data();
  if (!next || ui.search.empty() || !ui.session.tokens()) return;
  // The next occurrence after the selected position, over the whole text as it reads.
  const auto& pieces = ui.session.tokens()->piece;
  std::string text;
  std::vector<std::size_t> begin;
  for (const std::string& piece : pieces) begin.push_back(text.size()), text += piece;
  const std::uint32_t from = ui.view().selection.position ? *ui.view().selection.position + 1 : 0;
  std::size_t at = from < begin.size() ? text.find(ui.search, begin[from]) : std::string::npos;
  if (at == std::string::npos) at = text.find(ui.search);
  if (at == std::string::npos) {
    ui.status = "not in the text: " + ui.search;
    return;
  }
  Selection selection = ui.view().selection;
  selection.position = static_cast<std::uint32_t>(std::upper_bound(begin.begin(), begin.end(), at) - begin.begin() - 1);
  ui.scroll_to = selection.position;
  ui.select(selection);
}

}  // namespace

void draw_tokens(Ui& ui, ImVec2 size) {
  const TraceSnapshot& trace = ui.session.trace();
  if (!trace.info.levels.tokens) return draw_message(ui, trace.name() + " was recorded without level tokens", size);
  if (!ui.session.tokens()) return draw_message(ui, "reading ...", size);
  const HeadRange heads = heads_of(ui.view(), trace.info.shape);
  const float top = ImGui::GetCursorPosY();
  Figure heading;
  heading.title = fmt::format("The text at decode step {}", ui.view().step);
  heading.subtitle = ui.session.has_results()
                         ? fmt::format("colour: how many of {} still hold a token under A: {}",
                                       scope_words(ui.view(), trace.info.shape),
                                       configuration_name(ui.session.results().configuration(ui.view().selection.a)))
                         : "open results too, to see what a strategy drops";
  draw_title(ui, heading);
  legend(ui, heads);
  const TraceTokens& tokens = *ui.session.tokens();
  const auto n = std::min(trace.info.n_prompt + ui.view().step + 1, static_cast<std::uint32_t>(tokens.piece.size()));
  if (ImGui::BeginChild("text", ImVec2(size.x, std::max(20.0F, size.y - (ImGui::GetCursorPosY() - top))),
                        ImGuiChildFlags_None, ui.exporting ? ImGuiWindowFlags_NoScrollbar : 0)) {
    ImGui::PushFont(ui.fonts.mono, kTextSize);
    const float line = ImGui::GetTextLineHeight() + 5 * ui.scale;
    const TokenLayout& layout = layout_for(ui, std::max(40.0F, ImGui::GetContentRegionAvail().x - 4 * ui.scale));
    const ImVec2 origin = ImGui::GetCursorScreenPos();
    const auto map = ui.session.evictions(false);
    const std::uint32_t lines = n > 0 ? layout.boxes[n - 1].line + 1 : 0;
    // The newest token stays in sight when the cursor moves; a picture ends with it, on a whole line.
    if (n > 0 && (ui.exporting || ui.text.shown != n || ui.text.height != ImGui::GetWindowHeight())) {
      ImGui::SetScrollY(
          std::max(0.0F, std::ceil((static_cast<float>(lines) * line - ImGui::GetWindowHeight()) / line) * line));
    }
    if (!ui.exporting && ui.text.shown == 0 && !ui.scroll_to) ui.scroll_to = ui.view().selection.position;
    ui.text.shown = n;
    ui.text.height = ImGui::GetWindowHeight();
    // Heights are known from the second frame on; before, there is nothing to scroll.
    if (ui.scroll_to && *ui.scroll_to < layout.boxes.size() && ImGui::GetScrollMaxY() > 0) {
      ImGui::SetScrollY(
          std::max(0.0F, static_cast<float>(layout.boxes[*ui.scroll_to].line) * line - ImGui::GetWindowHeight() / 2));
      ui.scroll_to.reset();
    }
    const float first = std::max(0.0F, std::floor(ImGui::GetScrollY() / line));
    const auto last = std::min(static_cast<float>(lines), first + std::ceil(ImGui::GetWindowHeight() / line) + 1);
    const auto line_at = [&](float index) { return static_cast<std::size_t>(std::max(0.0F, index)); };
    const std::uint32_t seen = last > first ? layout.line_begin[line_at(first)] : 0,
                        seen_end = last > first ? std::min(n, layout.line_begin[line_at(last)]) : 0;
    std::vector<std::uint32_t> held;
    if (map && seen_end > seen) held = map->holders(heads, seen, seen_end, ui.view().step);
    for (auto l = static_cast<std::size_t>(first); l < static_cast<std::size_t>(std::max(first, last)); ++l) {
      for (std::uint32_t p = layout.line_begin[l]; p < std::min(n, layout.line_begin[l + 1]); ++p) {
        const std::string text = printable(tokens.piece[p]);
        const bool found = !ui.search.empty() && text.find(ui.search) != std::string::npos;
        draw_token(ui, look_of(ui, held.empty() ? std::optional<std::uint32_t>() : held[p - seen], heads),
                   ImVec2(origin.x + layout.boxes[p].x, origin.y + static_cast<float>(l) * line), layout.boxes[p], line,
                   text, p, found);
      }
    }
    token_input(ui, layout, origin, line);
    ImGui::Dummy(ImVec2(1, static_cast<float>(lines + 1) * line));
    ImGui::PopFont();
  }
  ImGui::EndChild();
}

void tokens_panel(Ui& ui) {
  int& shown = ui.tabs.tokens;
  constexpr std::array kShown = {"Text", "Map"};
  choice("shown", kShown, shown);
  ImGui::SameLine();
  ViewState view = ui.view();
  constexpr std::array kScopes = {"all heads", "layer", "kv_head"};
  int scope = static_cast<int>(view.scope);
  choice("scope", kScopes, scope);
  view.scope = static_cast<TokenScope>(scope);
  if (shown == 1) {
    ImGui::SameLine();
    constexpr std::array kCompared = {"A", "B", "A - B"};
    int compared = static_cast<int>(view.compared);
    choice("compared", kCompared, compared);
    view.compared = static_cast<Compared>(compared);
  }
  ui.set_view(view);
  if (shown == 0) {
    ImGui::SameLine();
    if (ImGui::GetContentRegionAvail().x < 130 * ui.scale) ImGui::NewLine();
    search_box(ui);
    draw_tokens(ui, ImGui::GetContentRegionAvail());
    return;
  }
  const PlotClick click = draw_figure(ui, "residency", ImGui::GetContentRegionAvail());
  if (!click.clicked) return;
  view.step = static_cast<std::uint32_t>(std::max(0L, std::lround(click.x)));
  view.selection.position = static_cast<std::uint32_t>(std::max(0L, std::lround(click.y)));
  ui.scroll_to = view.selection.position;
  ui.set_view(view);
}

}  // namespace kvwave::viewer
