// SPDX-License-Identifier: MIT
#include "ring/offload.h"

#include <gtest/gtest.h>

#include <future>
#include <thread>
#include <utility>
#include <vector>

#include "ring/task.h"
#include "ring/uring_loop.h"

namespace tapring {
namespace {

/// A thread for each piece of work.
class OtherThreads final : public Executor {
 public:
  ~OtherThreads() override {
    for (std::thread& thread : threads_) thread.join();
  }
  void post(Work work) override { threads_.emplace_back(std::move(work)); }

 private:
  std::vector<std::thread> threads_;
};

struct Seen {
  std::thread::id worked_on;
  std::thread::id resumed_on;
};

Detached offload_work(Loop& loop, Work work, Seen& seen) {
  co_await Offload(loop, [&] {
    work();
    seen.worked_on = std::this_thread::get_id();
  });
  seen.resumed_on = std::this_thread::get_id();
  loop.stop();
}

TEST(Offload, OthersOfTheLoopDoNotWaitForTheWork) {
  UringLoop loop;
  OtherThreads helper;
  loop.use_helper(helper);
  std::promise<void> other;
  Seen seen;
  loop.post([&] {
    offload_work(
        loop, [&other] { other.get_future().wait(); }, seen);
  });
  loop.post([&other] { other.set_value(); });
  loop.run();
  EXPECT_EQ(seen.resumed_on, std::this_thread::get_id());
  EXPECT_NE(seen.worked_on, std::this_thread::get_id());
}

TEST(Offload, WithoutAHelperTheLoopDoesTheWork) {
  UringLoop loop;
  Seen seen;
  loop.post([&] {
    offload_work(
        loop, [] {}, seen);
  });
  loop.run();
  EXPECT_EQ(seen.resumed_on, std::this_thread::get_id());
  EXPECT_EQ(seen.worked_on, std::this_thread::get_id());
}

}  // namespace
}  // namespace tapring
