#include "viewer/app/export.h"

#include <algorithm>
#include <array>
#include <system_error>

#include <fmt/format.h>

#include "traces/error.h"
#include "traces/output_file.h"
#include "viewer/app/gui_context.h"
#include "viewer/app/workbench.h"
#include "viewer/model/figure_text.h"
#include "viewer/model/view_words.h"
#include "viewer/panels/plot.h"
#include "viewer/panels/table.h"

namespace kvwave::viewer {
namespace {

constexpr int kFrames = 3;  // plots and tables settle their sizes in the first two

bool is_head_figure(std::string_view name) {
  return name.starts_with("heads-");
}

class Exporter {
 public:
  Exporter(Session& session, const ExportOptions& options)
      : session_(session),
        options_(options),
        gui_(options.theme, options.scale),
        canvas_(options.width, options.height) {
    std::error_code error;
    std::filesystem::create_directories(options.folder, error);
    if (error)
      throw traces::OutputFailed(fmt::format("{}: cannot be created: {}", options.folder.string(), error.message()));
  }

  void one(const std::string& name, const std::string& stem, bool required) {
    const FigureSlot* slot = name == "overview" ? nullptr : &session_.figure(name);
    session_.wait();
    if (slot != nullptr && !slot->figure) {
      if (required) throw NotThere(name + ": " + slot->error);
      report_.left_out.push_back(stem + ": " + slot->error);
      return;
    }
    for (const char* ending : {".png", ".csv", ".json"}) {
      if (slot != nullptr || ending == std::string_view(".png"))
        traces::check_output(file(stem, ending), options_.overwrite);
    }
    draw(name);
    write_png(file(stem, ".png"), canvas_.pixels(), canvas_.width(), canvas_.height(), options_.overwrite);
    report_.written.push_back(file(stem, ".png"));
    if (slot == nullptr) return;
    traces::write_text_file(file(stem, ".csv"), to_csv(*slot->figure), options_.overwrite);
    traces::write_text_file(file(stem, ".json"), to_json(*slot->figure, session_.context()), options_.overwrite);
  }

  ExportReport take_report() { return std::move(report_); }

 private:
  std::filesystem::path file(const std::string& stem, const char* ending) const {
    return options_.folder / (stem + ending);
  }

  void draw(const std::string& name) {
    Ui ui(session_);
    gui_.dress(ui);
    Workbench workbench(session_);
    for (int i = 0; i < kFrames; ++i) {
      gui_.render(canvas_, [&] {
        if (name == "overview") {
          gui_.dress(workbench.ui());
          workbench.draw();
        } else {
          ui.exporting = true;
          draw_alone(ui, name);
        }
      });
      session_.wait();  // what the overview asked for
    }
  }

  static void draw_alone(Ui& ui, const std::string& name) {
    const ImGuiViewport* viewport = ImGui::GetMainViewport();
    ImGui::SetNextWindowPos(viewport->Pos);
    ImGui::SetNextWindowSize(viewport->Size);
    ImGui::PushStyleVar(ImGuiStyleVar_WindowPadding, ImVec2(22 * ui.scale, 16 * ui.scale));
    ImGui::PushStyleVar(ImGuiStyleVar_WindowBorderSize, 0.0F);
    ImGui::Begin("picture", nullptr, ImGuiWindowFlags_NoDecoration | ImGuiWindowFlags_NoSavedSettings);
    const ImVec2 room = ImGui::GetContentRegionAvail();
    if (name == "tokens") {
      draw_tokens(ui, room);
    } else if (name == "ledger" || name == "run") {
      draw_table_figure(ui, name, room);
    } else {
      draw_figure(ui, name, room);
    }
    ImGui::End();
    ImGui::PopStyleVar(2);
  }

  Session& session_;
  const ExportOptions& options_;
  GuiContext gui_;
  GlCanvas canvas_;
  ExportReport report_;
};

}  // namespace

std::vector<std::string> export_names() {
  std::vector<std::string> names = {"overview"};
  for (const FigureEntry& entry : figure_list()) names.emplace_back(entry.name);
  return names;
}

ExportReport export_figures(Session& session, const ExportOptions& options) {
  Exporter exporter(session, options);
  if (!options.panels.empty()) {
    for (const std::string& name : options.panels) exporter.one(name, name, true);
    return exporter.take_report();
  }
  const ViewState view = session.view();
  for (const std::string& name : export_names()) {
    if (!is_head_figure(name)) {
      exporter.one(name, name, false);
      continue;
    }
    for (const HeadValue value :
         {HeadValue::demand, HeadValue::budget, HeadValue::resident, HeadValue::retained_mass}) {
      for (const Compared compared : {Compared::a, Compared::difference}) {
        if (value != HeadValue::demand && !session.has_results()) continue;
        if (value == HeadValue::demand && compared == Compared::difference) continue;
        ViewState changed = view;
        changed.value = value;
        changed.compared = compared;
        session.set_view(changed);
        exporter.one(
            name, fmt::format("{}-{}{}", name, to_word(value), compared == Compared::difference ? "-difference" : ""),
            false);
      }
    }
    session.set_view(view);
  }
  return exporter.take_report();
}

}  // namespace kvwave::viewer
