// SPDX-License-Identifier: MIT
#include "daemon/host/message.h"

#include <gtest/gtest.h>

#include <string>

namespace tapring {
namespace {

Message message() {
  return {Message::Kind::call, Verb::store_commit, 77, {"", std::string("a\0b", 3), "\xff"}};
}

TEST(Message, ComesOutAsItWentIn) {
  const auto decoded = decode(encode(message()));
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(decoded->kind, Message::Kind::call);
  EXPECT_EQ(decoded->verb, Verb::store_commit);
  EXPECT_EQ(decoded->number, 77U);
  EXPECT_EQ(decoded->words, message().words);
}

TEST(Message, MayHaveNoWords) {
  const auto decoded = decode(encode({Message::Kind::tell, Verb::hello}));
  ASSERT_TRUE(decoded.has_value());
  EXPECT_TRUE(decoded->words.empty());
}

/// What is cut off within a word or before it is no message.
TEST(Message, IsRefusedWhereItIsCutOff) {
  const std::string bytes = encode(message());
  std::size_t accepted = 0;
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    if (decode(bytes.substr(0, length)).has_value()) ++accepted;
  }
  EXPECT_EQ(accepted, message().words.size());  // the ends of its words, and that of none
}

TEST(Message, IsRefusedWithAKindOrAVerbThatIsNotKnown) {
  std::string bytes = encode(message());
  bytes[0] = static_cast<char>(Message::Kind::last) + 1;
  EXPECT_FALSE(decode(bytes).has_value());
  bytes = encode(message());
  bytes[1] = static_cast<char>(Verb::last) + 1;
  EXPECT_FALSE(decode(bytes).has_value());
}

TEST(Message, IsRefusedWithALengthBeyondItsEnd) {
  std::string bytes = encode({Message::Kind::tell, Verb::hello, 0, {"word"}});
  bytes[10] = '\x05';
  EXPECT_FALSE(decode(bytes).has_value());
  bytes[13] = '\x7f';
  EXPECT_FALSE(decode(bytes).has_value());
}

}  // namespace
}  // namespace tapring
