// SPDX-License-Identifier: MIT
#include "daemon/host/thread_background.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

namespace tapring {
namespace {

TEST(ThreadBackground, APieceOfWorkDoesNotWaitForAnother) {
  ThreadBackground background;
  std::promise<void> first_may_end;
  std::promise<void> first_ended;
  background.run("a", [may_end = first_may_end.get_future(), &first_ended]() mutable {
    may_end.wait();
    first_ended.set_value();
  });
  background.run("a", [&first_may_end] { first_may_end.set_value(); });
  first_ended.get_future().wait();
}

/// Work that hangs until it is told to end.
class HangingWork : public testing::Test {
 protected:
  ~HangingWork() override { end(); }

  void hang(const std::string& line, std::size_t pieces) {
    for (std::size_t i = 0; i < pieces; ++i) {
      background_.run(line, [may_end = ending_, ended = ended_] {
        may_end.wait();
        ended->fetch_add(1);
      });
    }
    hanging_ += pieces;
  }

  void end() {
    if (std::exchange(told_, true)) return;
    may_end_.set_value();
    while (*ended_ < hanging_) std::this_thread::yield();
  }

  void expect_runs(const std::string& line) {
    std::promise<void> ran;
    background_.run(line, [&ran] { ran.set_value(); });
    ran.get_future().wait();
  }

  ThreadBackground background_;

 private:
  std::promise<void> may_end_;
  std::shared_future<void> ending_ = may_end_.get_future().share();
  std::shared_ptr<std::atomic<std::size_t>> ended_ = std::make_shared<std::atomic<std::size_t>>(0);
  std::size_t hanging_ = 0;
  bool told_ = false;
};

TEST_F(HangingWork, OfOneLineDoesNotKeepOthersFromRunning) {
  hang("open /srv/nfs", ThreadBackground::kMaxThreads);
  expect_runs("open /srv");
  expect_runs("close /srv/nfs");
}

TEST_F(HangingWork, OfALineOfOneKeepsTheNextWaiting) {
  hang("mend", 1);
  std::atomic<bool> ran = false;
  std::promise<void> done;
  background_.run_few(1, "mend", [&ran, &done] {
    ran = true;
    done.set_value();
  });
  expect_runs("open");
  EXPECT_FALSE(ran);
  end();
  done.get_future().wait();
}

TEST_F(HangingWork, HasWhatWaitsRunWhenItEnds) {
  hang("a", 3 * ThreadBackground::kMaxThreadsOfALine);
  std::promise<void> ran;
  background_.run("a", [&ran] { ran.set_value(); });
  end();
  ran.get_future().wait();
}

TEST_F(HangingWork, IsRefusedWhenTooMuchWaits) {
  hang("a", ThreadBackground::kMaxThreadsOfALine + ThreadBackground::kMaxWaiting);
  EXPECT_THROW(background_.run("a", [] {}), std::system_error);
  expect_runs("b");
  end();
  expect_runs("a");
}

}  // namespace
}  // namespace tapring
