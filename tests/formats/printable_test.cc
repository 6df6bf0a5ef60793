// SPDX-License-Identifier: MIT
#include "formats/printable.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <random>

namespace tapring {
namespace {

using namespace std::string_view_literals;

/// By a parser that is not ours.
bool is_utf8(const std::string& text) {
  boost::json::error_code error;
  boost::json::parse(boost::json::serialize(boost::json::string(text)), error);
  return !error;
}

/// Of bytes that make up UTF-8, and controls, more often than chance would.
std::string random_bytes(std::mt19937& random) {
  static constexpr std::array kPieces = {"\\"sv,
                                         "\\x"sv,
                                         "\\x4"sv,
                                         "a"sv,
                                         "\n"sv,
                                         "\0"sv,
                                         "\x7F"sv,
                                         "\xC2\x9B"sv,
                                         "\xC3\xBC"sv,
                                         "\xE2\x80"sv,
                                         "\xE2\x80\xAE"sv,
                                         "\xED\xA0\x80"sv,
                                         "\xC0\xAF"sv,
                                         "\xF0\x9F\x98\x80"sv,
                                         "\xF4\x90\x80\x80"sv,
                                         "\xEF\xBB\xBF"sv,
                                         "\xFF"sv};
  std::string bytes;
  for (auto left = random() % 12; left > 0; --left) {
    if (random() % 2 == 0) {
      bytes += kPieces.at(random() % kPieces.size());
    } else {
      bytes += static_cast<char>(random());
    }
  }
  return bytes;
}

TEST(Printable, ControlCharactersBecomeVisible) {
  EXPECT_EQ(printable("a\n\0\x1b\x7f"sv), "a\\x0a\\x00\\x1b\\x7f");
  EXPECT_EQ(printable("\xC2\x9B"
                      "31m"),
            "\\xc2\\x9b31m");  // CSI in one character
}

TEST(Printable, WhatIsNotUtf8BecomesVisible) {
  EXPECT_EQ(printable("\xFF\xFE"), "\\xff\\xfe");
  EXPECT_EQ(printable("\xC3"), "\\xc3");
  EXPECT_EQ(printable("\xC0\xAF"), "\\xc0\\xaf");           // too long for a slash
  EXPECT_EQ(printable("\xED\xA0\x80"), "\\xed\\xa0\\x80");  // a surrogate
  EXPECT_EQ(printable("\xF4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");
  EXPECT_EQ(printable("gr\xFC\xDF"
                      "e"),
            "gr\\xfc\\xdfe");  // Latin 1
}

TEST(Printable, MarksThatMoveOtherTextBecomeVisible) {
  EXPECT_EQ(printable("\u202Egpj"), "\\xe2\\x80\\xaegpj");
  EXPECT_EQ(
      printable("\u2066\u2069\u200E\u2028\u061C\uFEFF"),
      "\\xe2\\x81\\xa6\\xe2\\x81\\xa9\\xe2\\x80\\x8e\\xe2\\x80\\xa8\\xd8\\x9c\\xef\\xbb\\xbf");
}

TEST(Printable, OtherTextIsKept) {
  EXPECT_EQ(printable("/srv/Größe \\ 日本 😀"), "/srv/Größe \\ 日本 😀");
}

TEST(Printable, AValueDoublesItsBackslashes) {
  EXPECT_EQ(escaped("a\\b\xFF"), "a\\\\b\\xff");
  EXPECT_EQ(escaped("a\\xff"), "a\\\\xff");
}

TEST(Printable, ACutIsBetweenCharacters) {
  EXPECT_EQ(printable("0123456789", 10), "0123456789");
  EXPECT_EQ(printable("0123456789a", 10), "0123456...");
  EXPECT_EQ(printable("012345ü789a", 10), "012345...");
  EXPECT_EQ(printable("01234\xFF", 10), "01234\\xff");
  EXPECT_EQ(printable("01234\xFF\xFF", 10), "01234...");
  EXPECT_EQ(escaped("0123456\\\\\\", 12), "0123456\\\\...");
  EXPECT_EQ(printable("abc", 2), "..");
}

TEST(Printable, AnyBytesBecomeTextAndComeBack) {
  std::mt19937 random(1);
  for (int i = 0; i < 5'000; ++i) {
    const std::string bytes = random_bytes(random);
    const std::string text = escaped(bytes);
    SCOPED_TRACE(text);
    ASSERT_TRUE(is_utf8(text));
    ASSERT_EQ(unescaped(text), bytes);
    ASSERT_EQ(printable(text), text);
    ASSERT_EQ(printable(printable(bytes)), printable(bytes));
    ASSERT_TRUE(is_utf8(printable(bytes)));
    const std::size_t most = random() % 20;
    ASSERT_LE(escaped(bytes, most).size(), most);
    ASSERT_TRUE(is_utf8(escaped(bytes, most)));
  }
}

}  // namespace
}  // namespace tapring
