// SPDX-License-Identifier: MIT
#include "daemon/host/reply_timeout.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <future>
#include <thread>

#include "ring/unique_fd.h"

namespace tapring {
namespace {

using namespace std::chrono_literals;
using Clock = ReplyTimeout::Clock;

class AnswerLimitTest : public testing::Test {
 protected:
  AnswerLimitTest() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    ours_ = UniqueFd(ends[0]);
    theirs_ = UniqueFd(ends[1]);
  }

  bool open() {
    const char byte = 0;
    return ::send(ours_.get(), &byte, 1, MSG_NOSIGNAL) == 1;
  }

  UniqueFd ours_;
  UniqueFd theirs_;
  ReplyTimeout limit_{20s};
};

TEST_F(AnswerLimitTest, AWaitThatIsTooLongEnds) {
  std::promise<void> waiting;
  bool expired = false;
  std::thread thread([&] {
    const ReplyTimeout::Wait wait(&limit_, ours_.get());
    waiting.set_value();
    char byte = 0;
    EXPECT_EQ(::read(ours_.get(), &byte, 1), 0);  // for ever, otherwise
    expired = wait.expired();
  });
  waiting.get_future().wait();
  limit_.check(Clock::now() + 21s);
  thread.join();
  EXPECT_TRUE(expired);
}

TEST_F(AnswerLimitTest, WhoDoesNotWaitOrNotLongIsLeftAlone) {
  limit_.check(Clock::now() + 21s);
  {
    const ReplyTimeout::Wait wait(&limit_, ours_.get());
    limit_.check(Clock::now() + 19s);
    EXPECT_FALSE(wait.expired());
  }
  limit_.check(Clock::now() + 21s);
  EXPECT_TRUE(open());
}

TEST_F(AnswerLimitTest, ANewWaitHasNotExpired) {
  {
    const ReplyTimeout::Wait wait(&limit_, ours_.get());
    limit_.check(Clock::now() + 21s);
    EXPECT_TRUE(wait.expired());
  }
  const ReplyTimeout::Wait again(&limit_, theirs_.get());
  EXPECT_FALSE(again.expired());
}

TEST_F(AnswerLimitTest, SaysWhetherItWasUsed) {
  EXPECT_FALSE(limit_.was_used());
  {
    const ReplyTimeout::Wait wait(&limit_, -1);
  }
  EXPECT_TRUE(limit_.was_used());
  EXPECT_FALSE(limit_.was_used());
  const ReplyTimeout::Wait wait(&limit_, -1);
  EXPECT_TRUE(limit_.was_used());
  EXPECT_TRUE(limit_.was_used());
}

}  // namespace
}  // namespace tapring
