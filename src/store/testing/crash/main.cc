// The tests' program: GoogleTest, or one of the processes that its tests start.
#include <gtest/gtest.h>

#include "src/store/testing/crash/child.h"

int main(int argc, char** argv) {
  const int role = forebay::store_testing::RunRole(argc, argv);
  if (role >= 0) return role;
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
