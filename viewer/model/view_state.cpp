#include "viewer/model/view_state.h"

namespace kvwave::viewer {

void SelectionHistory::changed(const Selection& before, const Selection& now) {
  if (before == now) return;
  past_.push_back(before);
  if (past_.size() > kMost) past_.erase(past_.begin());
  future_.clear();
}

std::optional<Selection> SelectionHistory::undo(const Selection& now) {
  if (past_.empty()) return std::nullopt;
  future_.push_back(now);
  const Selection found = past_.back();
  past_.pop_back();
  return found;
}

std::optional<Selection> SelectionHistory::redo(const Selection& now) {
  if (future_.empty()) return std::nullopt;
  past_.push_back(now);
  const Selection found = future_.back();
  future_.pop_back();
  return found;
}

}  // namespace kvwave::viewer
