// SPDX-License-Identifier: MIT
#include "daemon/thread_background.h"

#include <gtest/gtest.h>

#include <future>
#include <system_error>
#include <thread>

namespace tapring {
namespace {

TEST(ThreadBackground, APieceOfWorkDoesNotWaitForAnother) {
  ThreadBackground background;
  std::promise<void> first_may_end;
  std::promise<void> first_ended;
  background.run([may_end = first_may_end.get_future(), &first_ended]() mutable {
    may_end.wait();
    first_ended.set_value();
  });
  background.run([&first_may_end] { first_may_end.set_value(); });
  first_ended.get_future().wait();
}

TEST(ThreadBackground, TooMuchWorkAtOnceIsRefusedUntilSomeIsDone) {
  ThreadBackground background;
  std::promise<void> may_end;
  const std::shared_future<void> ending = may_end.get_future().share();
  for (int i = 0; i < ThreadBackground::kMaxThreads; ++i) {
    background.run([ending] { ending.wait(); });
  }
  EXPECT_THROW(background.run([] {}), std::system_error);
  may_end.set_value();
  std::promise<void> ran;
  for (bool accepted = false; !accepted; std::this_thread::yield()) {
    try {
      background.run([&ran] { ran.set_value(); });
      accepted = true;
    } catch (const std::system_error&) {
      continue;
    }
  }
  ran.get_future().wait();
}

}  // namespace
}  // namespace tapring
