#include "viewer/app/export.h"

#include <algorithm>
#include <array>
#include <system_error>

#include <fmt/format.h>

#include "traces/error.h"
#include "traces/output_file.h"
#include "viewer/app/figure_writer.h"
#include "viewer/app/gui_context.h"
#include "viewer/app/workbench.h"
#include "viewer/model/view_words.h"
#include "viewer/panels/plot.h"
#include "viewer/panels/table.h"

namespace kvwave::viewer {
namespace {

constexpr int kFrames = 5;  // plots, tables and scrolling settle in the first few, which are not painted

bool is_head_figure(std::string_view name) {
  return name.starts_with("heads-");
}

class Exporter {
 public:
  Exporter(Session& session, const ExportOptions& options)
      : session_(session),
        options_(options),
        gui_(options.theme, options.scale),
        canvas_(options.width, options.height),
        writer_(options.folder, options.overwrite) {
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
        traces::check_output(writer_.file(stem, ending), options_.overwrite);
    }
    draw(name);
    auto context = session_.context();
    for (auto& [key, value] : context) {
      if (key == "command") value += picture_options(name);
    }
    writer_.write(stem, {canvas_.pixels(), canvas_.width(), canvas_.height()}, slot != nullptr ? slot->figure : nullptr,
                  std::move(context));
    report_.written.push_back(writer_.file(stem, ".png"));
  }

  ExportReport finish() {
    writer_.finish();
    return std::move(report_);
  }

 private:
  // What turns the command that opens the view into the one that draws this picture.
  std::string picture_options(const std::string& name) const {
    return fmt::format(" --export figures --panel {} --size {}x{} --theme {}{}", name, options_.width, options_.height,
                       options_.theme == ThemeKind::dark ? "dark" : "light",
                       options_.scale == 1 ? std::string() : fmt::format(" --scale {:g}", options_.scale));
  }

  void draw(const std::string& name) {
    Ui ui(session_);
    gui_.dress(ui);
    Workbench workbench(session_);
    workbench.ui().tabs = options_.tabs;
    for (int i = 0; i < kFrames; ++i) {
      gui_.build(canvas_.width(), canvas_.height(), [&] {
        if (name == "overview") {
          gui_.dress(workbench.ui());
          workbench.draw();
        } else {
          draw_alone(ui, name);
        }
      });
      session_.wait();  // what the overview asked for
    }
    gui_.paint(canvas_);
  }

  static void draw_alone(Ui& ui, const std::string& name) {
    draw_picture(ui, [&](ImVec2 room) {
      if (name == "tokens") {
        draw_tokens(ui, room);
      } else if (name == "ledger" || name == "run") {
        draw_table_figure(ui, name, room);
      } else {
        draw_figure(ui, name, room);
      }
    });
  }

  Session& session_;
  const ExportOptions& options_;
  GuiContext gui_;
  GlCanvas canvas_;
  FigureWriter writer_;
  ExportReport report_;
};

// Once for each value, of A and as a difference.
void export_head_figure(Session& session, const std::string& name,
                        const std::function<void(const ViewState&, const std::string&, const std::string&)>& one_of) {
  for (const HeadValue value : {HeadValue::demand, HeadValue::budget, HeadValue::resident, HeadValue::retained_mass}) {
    for (const Compared compared : {Compared::a, Compared::difference}) {
      if (value != HeadValue::demand && !session.has_results()) continue;
      if (value == HeadValue::demand && compared == Compared::difference) continue;
      ViewState changed = session.view();
      changed.value = value;
      changed.compared = compared;
      one_of(changed, name,
             fmt::format("{}-{}{}", name, to_word(value), compared == Compared::difference ? "-difference" : ""));
    }
  }
}

}  // namespace

void draw_picture(Ui& ui, const std::function<void(ImVec2)>& content) {
  ui.exporting = true;
  const ImGuiViewport* viewport = ImGui::GetMainViewport();
  ImGui::SetNextWindowPos(viewport->Pos);
  ImGui::SetNextWindowSize(viewport->Size);
  ImGui::PushStyleVar(ImGuiStyleVar_WindowPadding, ImVec2(22 * ui.scale, 16 * ui.scale));
  ImGui::PushStyleVar(ImGuiStyleVar_WindowBorderSize, 0.0F);
  ImGui::Begin("picture", nullptr, ImGuiWindowFlags_NoDecoration | ImGuiWindowFlags_NoSavedSettings);
  content(ImGui::GetContentRegionAvail());
  ImGui::End();
  ImGui::PopStyleVar(2);
}

std::vector<std::string> export_names() {
  std::vector<std::string> names = {"overview"};
  for (const FigureEntry& entry : figure_list()) names.emplace_back(entry.name);
  return names;
}

ExportReport export_figures(Session& session, const ExportOptions& options) {
  Exporter exporter(session, options);
  if (!options.panels.empty()) {
    for (const std::string& name : options.panels) exporter.one(name, name, true);
    return exporter.finish();
  }
  const ViewState view = session.view();
  const auto one_of = [&](const ViewState& changed, const std::string& name, const std::string& stem) {
    session.set_view(changed);
    exporter.one(name, stem, false);
    session.set_view(view);
  };
  for (const std::string& name : export_names()) {
    if (is_head_figure(name)) {
      export_head_figure(session, name, one_of);
    } else {
      exporter.one(name, name, false);
    }
    if ((name == "compare" || name == "frontier") && session.has_results()) {
      ViewState changed = view;
      changed.minus_b = !changed.minus_b;
      one_of(changed, name, name + (changed.minus_b ? "-minus-b" : "-absolute"));
      changed = view;
      changed.all_controls = !changed.all_controls;
      one_of(changed, name, name + (changed.all_controls ? "-all-controls" : "-near-controls"));
    }
  }
  return exporter.finish();
}

}  // namespace kvwave::viewer
