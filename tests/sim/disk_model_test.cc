// SPDX-License-Identifier: MIT
#include "tests/sim/disk_model.h"

#include <gtest/gtest.h>

#include <vector>

namespace tapring::sim {
namespace {

constexpr std::size_t kSector = 512;

class DiskModelTest : public testing::Test {
 protected:
  using Ticket = DiskModel::Ticket;

  Ticket write_whole(uint64_t sector) {
    const Ticket write = model_.begin_write(sector, 1);
    model_.end_write(write, true);
    return write;
  }

  /// Whether a read that was begun may end with what `write` puts into the sector; 0: zeros.
  bool allows(Ticket read, uint64_t sector, Ticket write) {
    std::vector<std::byte> data(kSector);
    DiskModel::fill(write, sector, data);
    return !model_.end_read(read, sector, data);
  }

  DiskModel model_;
};

TEST_F(DiskModelTest, AnUntouchedSectorIsZero) {
  EXPECT_TRUE(allows(model_.begin_read(), 7, 0));
}

TEST_F(DiskModelTest, AnUntouchedSectorIsAsItWasAtFirst) {
  DiskModel model(std::string(kSector, 'a'));
  const std::vector<std::byte> first(kSector, std::byte{'a'});
  const std::vector<std::byte> zeros(kSector);
  EXPECT_FALSE(model.end_read(model.begin_read(), 0, first));
  EXPECT_TRUE(model.end_read(model.begin_read(), 0, zeros));
  EXPECT_FALSE(model.end_read(model.begin_read(), 1, zeros)) << "past what it was told of";
  const Ticket write = model.begin_write(0, 1);
  EXPECT_FALSE(model.end_read(model.begin_read(), 0, first));
  model.end_write(write, true);
  EXPECT_TRUE(model.end_read(model.begin_read(), 0, first));
}

TEST_F(DiskModelTest, AReadGivesTheLastWrite) {
  const Ticket first = write_whole(7);
  const Ticket second = write_whole(7);
  EXPECT_TRUE(allows(model_.begin_read(), 7, second));
  EXPECT_FALSE(allows(model_.begin_read(), 7, first));
  EXPECT_FALSE(allows(model_.begin_read(), 7, 0));
}

TEST_F(DiskModelTest, AWriteUnderWayMayOrMayNotBeSeen) {
  const Ticket first = write_whole(7);
  const Ticket second = model_.begin_write(7, 1);
  EXPECT_TRUE(allows(model_.begin_read(), 7, first));
  EXPECT_TRUE(allows(model_.begin_read(), 7, second));
}

TEST_F(DiskModelTest, AReadThatBeganBeforeMayGiveTheOld) {
  const Ticket first = write_whole(7);
  const Ticket read = model_.begin_read();
  write_whole(7);
  EXPECT_TRUE(allows(read, 7, first));
}

TEST_F(DiskModelTest, OverlappingWritesMayHappenInAnyOrder) {
  const Ticket first = model_.begin_write(7, 1);
  const Ticket second = model_.begin_write(7, 1);
  model_.end_write(second, true);
  model_.end_write(first, true);
  EXPECT_TRUE(allows(model_.begin_read(), 7, first));
  EXPECT_TRUE(allows(model_.begin_read(), 7, second));
  EXPECT_FALSE(allows(model_.begin_read(), 7, 0));
}

TEST_F(DiskModelTest, AFailedWriteMayOrMayNotHaveHappened) {
  const Ticket first = write_whole(7);
  const Ticket failed = model_.begin_write(7, 1);
  model_.end_write(failed, false);
  EXPECT_TRUE(allows(model_.begin_read(), 7, first));
  EXPECT_TRUE(allows(model_.begin_read(), 7, failed));
  const Ticket last = write_whole(7);
  EXPECT_FALSE(allows(model_.begin_read(), 7, failed));
  EXPECT_TRUE(allows(model_.begin_read(), 7, last));
}

TEST_F(DiskModelTest, DataOfAnotherSectorIsFound) {
  const Ticket write = model_.begin_write(7, 2);
  model_.end_write(write, true);
  std::vector<std::byte> data(kSector);
  DiskModel::fill(write, 8, data);
  const auto wrong = model_.end_read(model_.begin_read(), 7, data);
  ASSERT_TRUE(wrong);
  EXPECT_NE(wrong->find("holds sector 8 of write"), std::string::npos);
}

TEST_F(DiskModelTest, AMixtureOfTwoWritesInASectorIsFound) {
  const Ticket first = write_whole(7);
  const Ticket second = write_whole(7);
  std::vector<std::byte> data(kSector);
  std::vector<std::byte> other(kSector);
  DiskModel::fill(second, 7, data);
  DiskModel::fill(first, 7, other);
  std::copy(other.begin() + 256, other.end(), data.begin() + 256);
  EXPECT_TRUE(model_.end_read(model_.begin_read(), 7, data));
}

TEST_F(DiskModelTest, AWriteThatLandsAfterTheDiskWasClosedIsFound) {
  const Ticket first = write_whole(7);
  const Ticket unanswered = model_.begin_write(7, 1);
  model_.settle();
  EXPECT_TRUE(allows(model_.begin_read(), 7, first));
  EXPECT_FALSE(allows(model_.begin_read(), 7, unanswered));
}

TEST_F(DiskModelTest, AnUnansweredWriteMayHaveHappenedBeforeTheDiskWasClosed) {
  const Ticket first = write_whole(7);
  const Ticket unanswered = model_.begin_write(7, 1);
  model_.settle();
  EXPECT_TRUE(allows(model_.begin_read(), 7, unanswered));
  EXPECT_FALSE(allows(model_.begin_read(), 7, first));
}

TEST_F(DiskModelTest, WhatWasFlushedSurvivesAPowerOff) {
  model_.expect_power_off();
  const Ticket lost = write_whole(7);
  const Ticket flushed = write_whole(7);
  model_.end_flush(model_.begin_flush(), true);
  model_.power_off();
  EXPECT_FALSE(allows(model_.begin_read(), 7, 0));
  EXPECT_FALSE(allows(model_.begin_read(), 7, lost));
  EXPECT_TRUE(allows(model_.begin_read(), 7, flushed));
}

TEST_F(DiskModelTest, WhatWasNotFlushedMaySurviveAPowerOffOrNot) {
  for (const bool survives : {false, true}) {
    model_ = DiskModel();
    model_.expect_power_off();
    const Ticket flush = model_.begin_flush();
    const Ticket write = write_whole(7);
    model_.end_flush(flush, true);
    model_.power_off();
    EXPECT_TRUE(allows(model_.begin_read(), 7, survives ? write : 0));
    EXPECT_FALSE(allows(model_.begin_read(), 7, survives ? 0 : write));
  }
}

}  // namespace
}  // namespace tapring::sim
