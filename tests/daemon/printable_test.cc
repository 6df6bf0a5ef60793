// SPDX-License-Identifier: MIT
#include "daemon/printable.h"

#include <gtest/gtest.h>

namespace tapring {
namespace {

TEST(Printable, ControlCharactersBecomeVisible) {
  EXPECT_EQ(printable(std::string_view("a\n\0\x1b\x7f", 5)), "a\\x0a\\x00\\x1b\\x7f");
}

TEST(Printable, OtherTextIsKept) {
  EXPECT_EQ(printable("/srv/Größe \\ x"), "/srv/Größe \\ x");
}

}  // namespace
}  // namespace tapring
