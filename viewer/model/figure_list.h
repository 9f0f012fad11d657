// Every figure that panels show and --export writes, in the order of the panels.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "viewer/model/figure_inputs.h"

namespace kvwave::viewer {

struct FigureEntry {
  std::string_view name;     ///< for --panel and file names
  std::string_view summary;  ///< one line for --help
  Lane lane;
  /// Everything of the view that the figure depends on, as text; equal text means an equal figure.
  std::string (*key)(const ViewState&);
  /// Throws NotThere, Cancelled, traces::Error, replay::Error.
  Figure (*build)(const FigureInputs&);
};

std::span<const FigureEntry> figure_list();
/// The entry of that name, or nullptr.
const FigureEntry* find_figure(std::string_view name);

}  // namespace kvwave::viewer
