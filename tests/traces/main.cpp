#include <gtest/gtest.h>

#include "tests/traces/child_process.h"

int main(int argc, char** argv) {
  kvwave::traces::testing::run_child_role();
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
