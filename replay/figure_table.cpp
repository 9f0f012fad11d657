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
};

}  // namespace

std::span<const FigureColumn> figure_table() {
  return kColumns;
}

}  // namespace kvwave::replay
