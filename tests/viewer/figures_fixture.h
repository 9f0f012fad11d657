// The small trace and its results opened, and figures made from them.
#pragma once

#include <functional>

#include <gtest/gtest.h>

#include "tests/viewer/small_results.h"
#include "viewer/model/session.h"

namespace kvwave::viewer {

class Figures : public testing::Test {
 protected:
  void SetUp() override {
    open_small_results(session);
    ASSERT_TRUE(session.has_results()) << (session.take_messages().empty() ? "" : "see messages");
  }
  Figure make(const char* name) {
    session.figure(name);
    session.wait();
    const FigureSlot& slot = session.figure(name);
    EXPECT_EQ(slot.error, "") << name;
    return slot.figure ? *slot.figure : Figure();
  }
  void view(const std::function<void(ViewState&)>& change) {
    ViewState changed = session.view();
    change(changed);
    session.set_view(changed);
  }
  const traces::ModelShape& shape() const { return small_results().options.shape; }
  Session session;
};

}  // namespace kvwave::viewer
