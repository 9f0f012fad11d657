#include "replay/figure_table.h"

#include <array>

namespace kvwave::replay {
namespace {

constexpr bool kShare = true;

constexpr std::array kColumns = {
    FigureColumn{"requested", &Figures::requested},
    FigureColumn{"realised_mean", &Figures::realised_mean},
    FigureColumn{"realised_peak", &Figures::realised_peak},
    FigureColumn{"retained_mass", &Figures::retained_mass, Better::higher, kShare},
    FigureColumn{"retained_mass_lo", &Figures::retained_mass, Better::higher, kShare},
    FigureColumn{"retained_mass_hi", &Figures::retained_mass_hi, Better::higher, kShare},
    FigureColumn{"output_error", &Figures::output_error, Better::lower, kShare},
    FigureColumn{"output_error_bound", &Figures::output_error_bound, Better::lower, kShare},
    FigureColumn{"retained_mass_worst_decile", &Figures::worst_decile, Better::higher, kShare},
    FigureColumn{"recall_32", &Figures::recall, Better::higher, kShare},
    FigureColumn{"needed_after_eviction", &Figures::needed_after_eviction, Better::lower},
    FigureColumn{"churn", &Figures::churn, Better::neither, kShare},
    FigureColumn{"jaccard", &Figures::jaccard, Better::neither, kShare},
    FigureColumn{"bytes_mean", &Figures::bytes_mean},
    FigureColumn{"bytes_peak", &Figures::bytes_peak},
    FigureColumn{"realised_steady", &Figures::realised_steady},
    FigureColumn{"paged_mean", &Figures::paged_mean},
    FigureColumn{"paged_steady", &Figures::paged_steady},
    FigureColumn{"paged_peak", &Figures::paged_peak},
    FigureColumn{"bytes_steady", &Figures::bytes_steady},
    FigureColumn{"budget_gini", &Figures::budget_gini, Better::neither, kShare},
    FigureColumn{"retained_mass_worst_step", &Figures::worst_step, Better::higher, kShare},
    FigureColumn{"retained_mass_worst_step_at", &Figures::worst_step_at},
    FigureColumn{"output_error_worst_decile", &Figures::output_error_worst_decile, Better::lower, kShare},
    FigureColumn{"output_error_worst_step", &Figures::output_error_worst_step, Better::lower, kShare},
    FigureColumn{"recall_32_worst_decile", &Figures::recall_worst_decile, Better::higher, kShare},
    FigureColumn{"recall_32_worst_step", &Figures::recall_worst_step, Better::higher, kShare},
    FigureColumn{"needed_first_step", &Figures::needed_first_step, Better::higher},
    FigureColumn{"time_to_recover", &Figures::time_to_recover, Better::lower},
    FigureColumn{"drops", &Figures::drops, Better::lower},
    FigureColumn{"below_share", &Figures::below_share, Better::lower, kShare},
    FigureColumn{"place_oracle", &Figures::place_oracle, Better::higher, kShare},
    FigureColumn{"place_ceiling", &Figures::place_ceiling, Better::higher, kShare},
    FigureColumn{"solved_budget", &Figures::solved_budget},
    FigureColumn{"protection_share", &Figures::protection_share, Better::neither, kShare},
    FigureColumn{"bytes_read", &Figures::bytes_read},
    FigureColumn{"bytes_moved", &Figures::bytes_moved},
    FigureColumn{"granted_unused", &Figures::granted_unused},
    FigureColumn{"floors_hit", &Figures::floors_hit},
    FigureColumn{"caps_hit", &Figures::caps_hit},
};

}  // namespace

std::span<const FigureColumn> figure_table() {
  return kColumns;
}

}  // namespace kvwave::replay
