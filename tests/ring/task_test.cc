// SPDX-License-Identifier: MIT
#include "ring/task.h"

#include <gtest/gtest.h>

#include <coroutine>
#include <memory>

namespace tapring {
namespace {

/// Suspends whoever awaits it until told.
class Pause {
 public:
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiter) noexcept { waiter_ = waiter; }
  void await_resume() const noexcept {}
  void go_on() { waiter_.resume(); }

 private:
  std::coroutine_handle<> waiter_;
};

Task<int> give(int value) { co_return value; }

Task<int> give_after(Pause& pause, int value) {
  co_await pause;
  co_return value;
}

Task<int> sum_of(Task<int> first, Task<int> second) {
  const int one = co_await first;
  const int two = co_await second;
  co_return one + two;
}

Detached store(Task<int> task, int& result) { result = co_await task; }

TEST(Task, RunsAtOnce) {
  bool ran = false;
  const auto run = [](bool& flag) -> Task<int> {
    flag = true;
    co_return 0;
  };
  Task<int> task = run(ran);
  EXPECT_TRUE(ran);
  EXPECT_TRUE(task.await_ready());
}

TEST(Task, GivesItsResult) {
  int result = 0;
  store(give(42), result);
  EXPECT_EQ(result, 42);
}

TEST(Task, ResumesWhoeverAwaitsIt) {
  Pause pause;
  int result = 0;
  store(give_after(pause, 42), result);
  EXPECT_EQ(result, 0);
  pause.go_on();
  EXPECT_EQ(result, 42);
}

TEST(Task, TwoRunSideBySide) {
  Pause first;
  Pause second;
  int result = 0;
  store(sum_of(give_after(first, 1), give_after(second, 2)), result);
  second.go_on();
  EXPECT_EQ(result, 0);
  first.go_on();
  EXPECT_EQ(result, 3);
}

TEST(Task, ManyReadyTasksDoNotGrowTheStack) {
  const auto many = [](int count) -> Task<int> {
    int sum = 0;
    for (int i = 0; i < count; ++i) sum += co_await give(1);
    co_return sum;
  };
  int result = 0;
  store(many(1'000'000), result);
  EXPECT_EQ(result, 1'000'000);
}

TEST(Task, LocalsGoWhenACoroutineEnds) {
  const auto kept = std::make_shared<int>(1);
  Pause pause;
  const auto hold = [](std::shared_ptr<int> value, Pause& until) -> Detached {
    const auto mine = std::move(value);
    co_await until;
  };
  hold(kept, pause);
  EXPECT_EQ(kept.use_count(), 2);
  pause.go_on();
  EXPECT_EQ(kept.use_count(), 1);
}

}  // namespace
}  // namespace tapring
