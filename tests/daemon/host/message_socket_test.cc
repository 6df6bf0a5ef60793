// SPDX-License-Identifier: MIT
#include "daemon/host/message_socket.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>
#include <system_error>
#include <utility>

namespace tapring {
namespace {

class MessageSocketTest : public testing::Test {
 protected:
  MessageSocketTest() : MessageSocketTest(make_pair()) {}

  static std::pair<int, int> make_pair() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()), 0);
    return {ends[0], ends[1]};
  }

  MessageSocket one_;
  std::optional<MessageSocket> other_;

 private:
  explicit MessageSocketTest(std::pair<int, int> ends) : one_(UniqueFd(ends.first)) {
    other_.emplace(UniqueFd(ends.second));
  }
};

Message of_words(std::vector<std::string> words) {
  return {Message::Kind::tell, Verb::request, 1, std::move(words)};
}

TEST_F(MessageSocketTest, KeepsMessagesApart) {
  one_.send(of_words({"a"}));
  one_.send(of_words({"b", "c"}));
  EXPECT_EQ(other_->receive()->words, std::vector<std::string>{"a"});
  EXPECT_EQ(other_->receive()->words, (std::vector<std::string>{"b", "c"}));
  EXPECT_EQ(other_->receive_some(), std::nullopt);
  EXPECT_FALSE(other_->is_ended());
}

/// More than the socket takes at once, by one who does not wait.
TEST_F(MessageSocketTest, SendsWhatIsLongerThanAPacketAndThanItsRoom) {
  const std::string word(std::size_t{3} << 20, 'x');
  one_.send_some(of_words({word}));
  std::optional<Message> received;
  while (!received) {
    received = other_->receive_some();
    ASSERT_FALSE(other_->is_ended());
    one_.flush();
  }
  EXPECT_EQ(received->words, std::vector<std::string>{word});
  EXPECT_TRUE(one_.flush());
}

TEST_F(MessageSocketTest, HandsDescriptorsOver) {
  const UniqueFd file(::memfd_create("message", MFD_CLOEXEC));
  ASSERT_EQ(::write(file.get(), "data", 4), 4);
  Message message = of_words({});
  message.descriptors.emplace_back(::dup(file.get()));
  one_.send(std::move(message));
  const auto received = other_->receive();
  ASSERT_TRUE(received.has_value());
  ASSERT_EQ(received->descriptors.size(), 1U);
  std::array<char, 4> data{};
  EXPECT_EQ(::pread(received->descriptors[0].get(), data.data(), data.size(), 0), 4);
  EXPECT_EQ(std::string(data.data(), data.size()), "data");
  EXPECT_NE(::fcntl(received->descriptors[0].get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST_F(MessageSocketTest, EndsWithTheOther) {
  one_.send(of_words({"last"}));
  one_ = MessageSocket(UniqueFd());
  EXPECT_TRUE(other_->receive().has_value());
  EXPECT_EQ(other_->receive(), std::nullopt);
  EXPECT_TRUE(other_->is_ended());
  EXPECT_THROW(other_->send(of_words({"nobody"})), std::system_error);
}

/// As one that was taken over may say.
TEST_F(MessageSocketTest, EndsWithWhatIsNoMessage) {
  ASSERT_EQ(::send(one_.fd(), "lxyz", 4, 0), 4);
  EXPECT_EQ(other_->receive(), std::nullopt);
  EXPECT_TRUE(other_->is_ended());
}

TEST_F(MessageSocketTest, EndsWithAMessageThatNeverEnds) {
  const std::string packet(MessageSocket::kPacketBytes, 'm');
  while (!other_->is_ended()) {
    ASSERT_GT(::send(one_.fd(), packet.data(), packet.size(), 0), 0);
    EXPECT_EQ(other_->receive_some(), std::nullopt);
  }
}

}  // namespace
}  // namespace tapring
