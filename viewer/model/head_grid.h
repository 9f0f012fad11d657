// What the head figures show, for all heads and the whole run.
#pragma once

#include <memory>
#include <string>

#include "viewer/model/figure_inputs.h"

namespace kvwave::viewer {

/// One value for every head of every layer over time; columns may cover several steps.
struct HeadGrid {
  std::shared_ptr<const Pyramid> values;  ///< (L * heads, columns)
  std::uint32_t heads = 0;                ///< per layer
  std::uint32_t column_steps = 1;
  std::string head_name;          ///< "q_head" or "kv_head"
  std::string name, label, what;  ///< CSV column, colour bar, words of the title
  Scale scale = Scale::linear;
  Pool pool = Pool::maximum;
};

/// The grid that the view asks for, from the lane's cache when nothing changed. Throws as the figures do.
std::shared_ptr<const HeadGrid> head_grid(const FigureInputs& in);

}  // namespace kvwave::viewer
