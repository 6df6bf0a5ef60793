// SPDX-License-Identifier: MIT
#include "daemon/host/signals.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <thread>
#include <vector>

#include "ring/unique_fd.h"

namespace tapring {
namespace {

using namespace std::chrono_literals;

TEST(Signals, AreToldInTheControlThreadAndInterruptNoOther) {
  block_signals();
  boost::asio::io_context control;
  std::vector<int> told;
  const Signals signals(control, [&](int signal) {
    told.push_back(signal);
    control.stop();
  });
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const UniqueFd out(ends[0]);
  UniqueFd in(ends[1]);
  int waited = 0;
  std::thread worker([&] {
    pollfd line{.fd = out.get(), .events = POLLIN, .revents = 0};
    waited = ::poll(&line, 1, -1);
  });
  // To the process: the kernel gives them to any thread that does not block them.
  ::kill(::getpid(), SIGHUP);
  control.run_for(10s);
  ::kill(::getpid(), SIGTERM);
  control.restart();
  control.run_for(10s);
  in = UniqueFd();
  worker.join();
  EXPECT_EQ(waited, 1);
  EXPECT_THAT(told, testing::ElementsAre(SIGHUP, SIGTERM));
}

TEST(Signals, AReaderThatIsGoneEndsNobody) {
  block_signals();
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  UniqueFd out(ends[0]);
  const UniqueFd in(ends[1]);
  out = UniqueFd();
  EXPECT_EQ(::write(in.get(), "x", 1), -1);
  EXPECT_EQ(errno, EPIPE);
}

TEST(Signals, AWaitForTheEndEndsWithIt) {
  block_signals();
  ::kill(::getpid(), SIGTERM);
  wait_for_end_signal(600s);
}

}  // namespace
}  // namespace tapring
