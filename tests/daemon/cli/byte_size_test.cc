// SPDX-License-Identifier: MIT
#include "daemon/cli/byte_size.h"

#include <gtest/gtest.h>

namespace tapring {
namespace {

TEST(ByteSize, UnitsAreOf1024) {
  EXPECT_EQ(parse_byte_size("0"), 0U);
  EXPECT_EQ(parse_byte_size("4096"), 4096U);
  EXPECT_EQ(parse_byte_size("512b"), 512U);
  EXPECT_EQ(parse_byte_size("64K"), 65536U);
  EXPECT_EQ(parse_byte_size("64kb"), 65536U);
  EXPECT_EQ(parse_byte_size("2MiB"), 2097152U);
  EXPECT_EQ(parse_byte_size("10G"), uint64_t{10} << 30);
  EXPECT_EQ(parse_byte_size("15E"), uint64_t{15} << 60);
}

TEST(ByteSize, AUnitMayHaveAFraction) {
  EXPECT_EQ(parse_byte_size("1.5G"), uint64_t{3} << 29);
  EXPECT_EQ(parse_byte_size("0.25K"), 256U);
  EXPECT_EQ(parse_byte_size("0.0001K"), 0U);
  EXPECT_EQ(parse_byte_size("15.999999999999999999999999E"), UINT64_MAX - 1);
}

TEST(ByteSize, OtherTextIsNone) {
  for (const char* text : {"", "G", "-5", "+5", " 5", "5 ", "5 G", "1.", ".5G", "1.5.5G", "5X",
                           "5KK", "5KiBs", "5bb", "0x10", "1e3", "16E", "99999999999999999999"}) {
    EXPECT_FALSE(parse_byte_size(text)) << text;
  }
}

}  // namespace
}  // namespace tapring
