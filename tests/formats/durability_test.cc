// SPDX-License-Identifier: MIT
#include "formats/durability.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <system_error>
#include <utility>
#include <vector>

namespace tapring {
namespace {

const Error kFailure = std::make_error_code(std::errc::io_error);

/// A file of which the test says when, and with what, each sync ends.
class SlowFile final : public File {
 public:
  Task<Error> sync() override {
    struct Wait {
      std::vector<std::coroutine_handle<>>& waiting;
      bool await_ready() const noexcept { return false; }
      void await_suspend(std::coroutine_handle<> handle) { waiting.push_back(handle); }
      void await_resume() const noexcept {}
    };
    co_await Wait{syncs_};
    co_return result_;
  }
  Task<Error> close() override { co_return close_error; }

  Task<Error> read(uint64_t, Buffers) override { co_return Error{}; }
  Task<Error> write(uint64_t, Buffers) override { co_return Error{}; }
  Task<Error> discard(uint64_t, uint64_t) override { co_return Error{}; }
  Task<Error> secure_erase(uint64_t, uint64_t) override { co_return Error{}; }
  Task<Result<uint64_t>> size() override { co_return uint64_t{0}; }

  std::size_t syncs() const noexcept { return syncs_.size(); }

  void end_sync(std::size_t number, Error result) {
    result_ = result;
    syncs_.at(number).resume();
  }

  Error close_error;

 private:
  std::vector<std::coroutine_handle<>> syncs_;
  Error result_;
};

/// Of a task that has ended.
Error result_of(Task<Error> task) {
  EXPECT_TRUE(task.await_ready());
  return task.await_resume();
}

TEST(DurabilityTest, IsLostForGoodWithTheFirstSyncThatFails) {
  SlowFile file;
  Durability durability;
  Task<Error> failing = durability.sync(file);
  file.end_sync(0, kFailure);
  EXPECT_EQ(result_of(std::move(failing)), std::errc::state_not_recoverable);
  EXPECT_EQ(result_of(durability.sync(file)), std::errc::state_not_recoverable);
  EXPECT_EQ(file.syncs(), 1U);
  EXPECT_EQ(result_of(durability.close(file)), std::errc::state_not_recoverable);
}

TEST(DurabilityTest, IsLostToASyncBesideTheOneThatFails) {
  SlowFile file;
  Durability durability;
  Task<Error> failing = durability.sync(file);
  Task<Error> beside = durability.sync(file);
  file.end_sync(0, kFailure);
  file.end_sync(1, Error{});
  EXPECT_EQ(result_of(std::move(failing)), std::errc::state_not_recoverable);
  EXPECT_EQ(result_of(std::move(beside)), std::errc::state_not_recoverable);
}

TEST(DurabilityTest, IsNotLostWithASyncThatWasNotBegun) {
  SlowFile file;
  Durability durability;
  Task<Error> cancelled = durability.sync(file);
  file.end_sync(0, system_error_code(ECANCELED));
  EXPECT_EQ(result_of(std::move(cancelled)), std::errc::operation_canceled);
  Task<Error> next = durability.sync(file);
  file.end_sync(1, Error{});
  EXPECT_FALSE(result_of(std::move(next)));
  EXPECT_FALSE(result_of(durability.close(file)));
}

TEST(DurabilityTest, MayBeLostWhenAWrittenFileDoesNotClose) {
  SlowFile file;
  file.close_error = kFailure;
  Durability durability;
  EXPECT_EQ(result_of(durability.close(file)), kFailure);
  durability.note_write();
  EXPECT_EQ(result_of(durability.close(file)), std::errc::state_not_recoverable);
}

}  // namespace
}  // namespace tapring
