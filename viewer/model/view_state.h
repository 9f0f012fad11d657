// What the user looks at: one time cursor, one selection, and how each panel shows it. Plain values; every panel reads
// them, so that they stay linked.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace kvwave::viewer {

/// What is selected everywhere. a and b are configurations of the results.
struct Selection {
  std::uint32_t layer = 0;
  std::uint32_t q_head = 0;
  std::optional<std::uint32_t> position;
  std::uint32_t a = 0, b = 0;
  bool operator==(const Selection&) const = default;
};

enum class HeadValue : std::uint8_t { demand, budget, resident, retained_mass };
enum class Compared : std::uint8_t { a, b, difference };
enum class TokenScope : std::uint8_t { all_heads, layer, kv_head };

struct ViewState {
  std::uint32_t step = 0;
  Selection selection;
  std::size_t rho = 0;        ///< index into the trace's grid
  bool window_only = false;   ///< wave over a moving window instead of the whole run
  std::uint32_t window = 64;  ///< its length in decode steps
  bool normalised = false;    ///< each wave divided by its mean
  HeadValue value = HeadValue::demand;
  Compared compared = Compared::a;
  TokenScope scope = TokenScope::all_heads;
  std::string metric = "retained_mass";
  bool minus_b = false;       ///< the comparison over budgets shows differences to B's strategy
  bool all_controls = false;  ///< and controls too that press the strategies together
  bool at_cursor = false;     ///< the comparison over layers is that of the cursor's steps, not of the whole run
  bool operator==(const ViewState&) const = default;
};

/// Selections in the order they were made.
class SelectionHistory {
 public:
  static constexpr std::size_t kMost = 200;

  /// Remembers `before` when it differs from `now`; forgets what was undone.
  void changed(const Selection& before, const Selection& now);
  /// The selection before `now`, or nothing.
  std::optional<Selection> undo(const Selection& now);
  std::optional<Selection> redo(const Selection& now);
  bool can_undo() const { return !past_.empty(); }
  bool can_redo() const { return !future_.empty(); }

 private:
  std::vector<Selection> past_, future_;
};

}  // namespace kvwave::viewer
