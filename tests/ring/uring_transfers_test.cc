// SPDX-License-Identifier: MIT
// What is merged shows on a pipe that keeps the bounds of packets: each submission is one.
#include "ring/uring_transfers.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "ring/task.h"
#include "ring/uring_loop.h"

namespace tapring {
namespace {

using Direction = UringTransfers::Direction;

class UringTransfersTest : public testing::Test {
 protected:
  UringTransfersTest() {
    std::array<int, 2> ends;
    EXPECT_EQ(::pipe2(ends.data(), O_DIRECT | O_CLOEXEC | O_NONBLOCK), 0);
    theirs_ = UniqueFd(ends[0]);
    ours_ = UniqueFd(ends[1]);
  }

  UringTransfers::Place write_at(uint64_t offset, std::size_t bytes = 1) {
    return {ours_.get(), Direction::write, offset, {data_.data(), bytes}, false};
  }

  /// The results of transfers that are awaited in one turn.
  std::vector<int> results_of(const std::vector<UringTransfers::Place>& places) {
    std::vector<int> results(places.size());
    std::size_t left = places.size();
    for (std::size_t i = 0; i < places.size(); ++i) transfer(places[i], results[i], left);
    while (left > 0) loop_.turn(true);
    return results;
  }

  /// The sizes of the packets that were written.
  std::vector<ssize_t> packets() {
    std::vector<ssize_t> sizes;
    std::array<char, 4096> packet;
    for (;;) {
      const ssize_t size = ::read(theirs_.get(), packet.data(), packet.size());
      if (size < 0) return sizes;
      sizes.push_back(size);
    }
  }

  UringLoop loop_;
  UniqueFd ours_, theirs_;
  std::array<char, 4096> data_{};

 private:
  Detached transfer(UringTransfers::Place place, int& result, std::size_t& left) {
    result = co_await UringTransfers::Transfer(loop_.transfers(), place);
    --left;
  }
};

TEST_F(UringTransfersTest, WhatContinuesAnotherIsMerged) {
  EXPECT_EQ(results_of({write_at(0, 10), write_at(10, 20), write_at(30, 30)}),
            (std::vector<int>{10, 20, 30}));
  EXPECT_EQ(packets(), std::vector<ssize_t>{60});
}

TEST_F(UringTransfersTest, WhatDoesNotFollowIsNot) {
  EXPECT_EQ(results_of({write_at(0, 10), write_at(11, 20), write_at(31, 30), write_at(0, 40)}),
            (std::vector<int>{10, 20, 30, 40}));
  EXPECT_EQ(packets(), (std::vector<ssize_t>{10, 50, 40}));
}

TEST_F(UringTransfersTest, OfAnotherFileIsNot) {
  const UniqueFd other(::dup(ours_.get()));
  UringTransfers::Place second = write_at(10, 20);
  second.fd = other.get();
  EXPECT_EQ(results_of({write_at(0, 10), second}), (std::vector<int>{10, 20}));
  EXPECT_EQ(packets(), (std::vector<ssize_t>{10, 20}));
}

TEST_F(UringTransfersTest, OfAnotherDirectionIsNot) {
  UringTransfers::Place second = write_at(10, 20);
  second.direction = Direction::read;
  EXPECT_EQ(results_of({write_at(0, 10), second}), (std::vector<int>{10, -EBADF}));
  EXPECT_EQ(packets(), std::vector<ssize_t>{10});
}

TEST_F(UringTransfersTest, WhatIsToBeUnmergedIsNot) {
  UringTransfers::Place second = write_at(10, 20);
  second.unmerged = true;
  EXPECT_EQ(results_of({write_at(0, 10), second, write_at(30, 30), write_at(60, 40)}),
            (std::vector<int>{10, 20, 30, 40}));
  EXPECT_EQ(packets(), (std::vector<ssize_t>{10, 20, 70}));
}

TEST_F(UringTransfersTest, NoMoreThanSixtyFourAreMerged) {
  std::vector<UringTransfers::Place> places;
  for (uint64_t i = 0; i < 100; ++i) places.push_back(write_at(i));
  EXPECT_EQ(results_of(places), std::vector<int>(100, 1));
  EXPECT_EQ(packets(), (std::vector<ssize_t>{64, 36}));
}

TEST_F(UringTransfersTest, MemoryOfARunIsUsedAgain) {
  for (int i = 0; i < 1000; ++i) {
    ASSERT_EQ(results_of({write_at(0, 10), write_at(10, 20)}), (std::vector<int>{10, 20}));
    ASSERT_EQ(packets(), std::vector<ssize_t>{30});
  }
}

TEST_F(UringTransfersTest, WhatAMergedTransferDidNotReachIsToBeRetried) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::tmpfile(), std::fclose);
  ASSERT_EQ(::ftruncate(::fileno(file.get()), 1500), 0);
  std::vector<UringTransfers::Place> places;
  for (uint64_t i = 0; i < 3; ++i) {
    places.push_back(
        {::fileno(file.get()), Direction::read, i * 1000, {data_.data() + i * 1000, 1000}, false});
  }
  EXPECT_EQ(results_of(places), (std::vector<int>{1000, UringTransfers::kRetryUnmerged,
                                                  UringTransfers::kRetryUnmerged}));
  places[1].unmerged = true;
  EXPECT_EQ(results_of({places[1]}), std::vector<int>{500});
}

TEST_F(UringTransfersTest, AfterAnErrorEachIsToBeRetried) {
  UringTransfers::Place first = write_at(0, 10), second = write_at(10, 20);
  first.fd = second.fd = 1'000'000;  // which nobody has open
  EXPECT_EQ(results_of({first, second}),
            (std::vector<int>{UringTransfers::kRetryUnmerged, UringTransfers::kRetryUnmerged}));
  EXPECT_EQ(results_of({first}), std::vector<int>{-EBADF});
}

}  // namespace
}  // namespace tapring
