// The builders behind figure_list(). Each turns what is open into one figure; none draws or keeps state.
#pragma once

#include "viewer/model/figure_inputs.h"

namespace kvwave::viewer {

// wave_figures.cpp
Figure wave_figure(const FigureInputs& in);       ///< mean demand by layer, with spread, overlays and layer budgets
Figure wave_time_figure(const FigureInputs& in);  ///< layers x steps

// head_figures.cpp: the chosen HeadValue of A, B or their difference
Figure heads_time_figure(const FigureInputs& in);    ///< heads of the selected layer x steps
Figure heads_layers_figure(const FigureInputs& in);  ///< layers x heads at the cursor
Figure heads_all_figure(const FigureInputs& in);     ///< all heads x steps

// attention_figures.cpp
Figure attention_row_figure(const FigureInputs& in);  ///< the selected head's row at the cursor, exact where q, k are
Figure attention_map_figure(const FigureInputs& in);  ///< all rows x positions of the selected head

// token_figures.cpp
Figure tokens_figure(const FigureInputs& in);     ///< the text as a table: who holds each token at the cursor
Figure residency_figure(const FigureInputs& in);  ///< positions x steps: heads that hold a position

// compare_figures.cpp
Figure compare_figure(const FigureInputs& in);         ///< metric against budget, all strategies and controls
Figure frontier_figure(const FigureInputs& in);        ///< metric against realised memory
Figure compare_layers_figure(const FigureInputs& in);  ///< metric of A and B by layer, with every query head
Figure compare_steps_figure(const FigureInputs& in);   ///< metric of A and B over time, between two controls

// ledger_figures.cpp
Figure ledger_figure(const FigureInputs& in);  ///< requested against realised memory
Figure run_figure(const FigureInputs& in);     ///< provenance of trace and results

// Words that several figures use.

/// The results, or NotThere that says how to make them.
const OpenedResults& require_results(const FigureInputs& in);
/// "uniform/rkv at 128".
std::string configuration_name(const replay::ResultsConfiguration& configuration);
/// A strategy's line over budgets: "uniform/random (control)".
std::string line_name(const replay::ResultsConfiguration& configuration);
/// Metric names as people read them, e.g. "output error, relative".
std::string metric_label(std::string_view metric);
/// True when less is better.
bool lower_is_better(std::string_view metric);

}  // namespace kvwave::viewer
