// SPDX-License-Identifier: MIT
#include "ring/grant_batch.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <string>

#include "ring/task.h"
#include "ring/waiting.h"
#include "tests/sim/grants.h"
#include "tests/sim/loop.h"
#include "tests/sim/machine.h"

namespace tapring {
namespace {

constexpr DomainId kGuest = 5;
constexpr GrantRef kNoSuchGrant = 4000;

/// Requests of one worker that copy from pages of a guest.
class GrantBatchTest : public testing::Test {
 protected:
  GrantRef grant_page(const std::string& text) {
    const sim::Frame frame = guest_.allocate(1);
    std::memcpy(guest_.memory(frame, 1).data(), text.data(), text.size());
    return guest_.grant(0, frame, sim::Access::read_only);
  }

  GrantCopy from_guest(GrantRef ref) {
    return {.local = local_.data(), .ref = ref, .domain = kGuest, .offset = 0, .length = 5};
  }

  Detached transfer(std::vector<GrantCopy> copies, Error& result) {
    const TaskGroup::Member member(tasks_);
    GrantBatch::Transfer batch(batch_);
    for (const GrantCopy& copy : copies) batch.add(copy);
    result = co_await batch;
    ++done_;
  }

  Detached transfer_twice(Error& first, Error& second) {
    const TaskGroup::Member member(tasks_);
    GrantBatch::Transfer batch(batch_);
    batch.add(from_guest(grant_page("alpha")));
    first = co_await batch;
    GrantBatch::Transfer next(batch_);
    next.add(from_guest(kNoSuchGrant));
    second = co_await next;
  }

  void in_one_turn(std::function<void()> work) {
    loop_.post(std::move(work));
    world_.run_until_idle();
  }

  sim::SimWorld world_{1};
  sim::SimStorage storage_{world_};
  sim::SimLoop loop_{world_, storage_};
  sim::SimMachine machine_{world_};
  sim::SimDomain& guest_ = machine_.create_domain(kGuest);
  sim::SimGrants grants_{machine_, 0};
  GrantBatch batch_{loop_, grants_};
  TaskGroup tasks_{loop_};
  std::array<std::byte, 64> local_{};
  int done_ = 0;
};

TEST_F(GrantBatchTest, CopiesOfATurnGoInOneCall) {
  Error first;
  Error second;
  in_one_turn([&] {
    transfer({from_guest(grant_page("alpha"))}, first);
    transfer({from_guest(grant_page("bravo")), from_guest(grant_page("delta"))}, second);
  });
  EXPECT_EQ(done_, 2);
  EXPECT_EQ(grants_.copy_calls(), 1U);
  EXPECT_EQ(grants_.copies(), 3U);
  EXPECT_EQ(std::memcmp(local_.data(), "delta", 5), 0);
}

TEST_F(GrantBatchTest, ABadGrantFailsOnlyItsOwnRequest) {
  Error bad;
  Error good = system_error_code(EIO);
  in_one_turn([&] {
    transfer({from_guest(grant_page("alpha")), from_guest(kNoSuchGrant)}, bad);
    transfer({from_guest(grant_page("bravo"))}, good);
  });
  EXPECT_TRUE(bad);
  EXPECT_FALSE(good);
}

TEST_F(GrantBatchTest, AFailedCallFailsEveryRequest) {
  Error first;
  Error second;
  grants_.fail_copy_calls(1);
  in_one_turn([&] {
    transfer({from_guest(grant_page("alpha"))}, first);
    transfer({from_guest(grant_page("bravo"))}, second);
  });
  EXPECT_TRUE(first);
  EXPECT_TRUE(second);
}

TEST_F(GrantBatchTest, NoCopiesNeedNoCall) {
  Error result = system_error_code(EIO);
  in_one_turn([&] { transfer({}, result); });
  EXPECT_FALSE(result);
  EXPECT_EQ(done_, 1);
  EXPECT_EQ(grants_.copy_calls(), 0U);
}

TEST_F(GrantBatchTest, ATransferWithoutCopiesTakesNoneAwayWhenItEnds) {
  Error result = system_error_code(EIO);
  in_one_turn([&] {
    const GrantBatch::Transfer without_copies(batch_);
    transfer({from_guest(grant_page("alpha"))}, result);
  });
  EXPECT_FALSE(result);
  EXPECT_EQ(std::memcmp(local_.data(), "alpha", 5), 0);
}

TEST_F(GrantBatchTest, CopiesThatAreNotAwaitedAreNotDone) {
  Error result = system_error_code(EIO);
  in_one_turn([&] {
    {
      GrantBatch::Transfer given_up(batch_);
      given_up.add(from_guest(grant_page("bravo")));
    }
    transfer({from_guest(grant_page("alpha"))}, result);
  });
  EXPECT_FALSE(result);
  EXPECT_EQ(grants_.copies(), 1U);
}

TEST_F(GrantBatchTest, WhoIsResumedMayFillTheNextBatch) {
  Error first;
  Error second;
  in_one_turn([&] { transfer_twice(first, second); });
  EXPECT_FALSE(first);
  EXPECT_TRUE(second);
  EXPECT_EQ(grants_.copy_calls(), 2U);
  EXPECT_EQ(tasks_.size(), 0U);
}

}  // namespace
}  // namespace tapring
