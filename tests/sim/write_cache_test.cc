// SPDX-License-Identifier: MIT
#include "tests/sim/write_cache.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <set>
#include <string>

#include "ring/unique_fd.h"

namespace tapring::sim {
namespace {

constexpr uint32_t kBlock = 512;

/// A file of one block, which is durable and full of o.
class WriteCacheTest : public testing::Test {
 protected:
  WriteCacheTest() { put('o'); }

  void put(char with) {
    const std::string data(kBlock, with);
    EXPECT_EQ(::pwrite(file_.get(), data.data(), data.size(), 0), kBlock);
  }

  void write(char with) {
    cache_.before_write(file_.get(), 0, kBlock);
    put(with);
    cache_.after_write(file_.get(), 0, kBlock, ++writes_);
  }

  char content() const {
    char found = '?';
    EXPECT_EQ(::pread(file_.get(), &found, 1, 0), 1);
    return found;
  }

  /// What the block may hold after a write of a, whose sync failed, and then `act`.
  template <typename Act>
  std::set<char> contents_after_failed_sync(Act act) {
    std::set<char> found;
    for (uint64_t seed = 0; seed < 20; ++seed) {
      cache_ = SimWriteCache(kBlock);
      put('o');
      write('a');
      cache_.sync_failed(writes_);
      Random random(seed);
      act(random);
      found.insert(content());
    }
    return found;
  }

  UniqueFd file_{::memfd_create("file", MFD_CLOEXEC)};
  SimWriteCache cache_{kBlock};
  uint64_t writes_ = 0;
};

TEST_F(WriteCacheTest, WhatWasSyncedStays) {
  write('a');
  cache_.synced(writes_);
  Random random(1);
  cache_.drop_given_up(file_.get(), random);
  cache_.lose_some(file_.get(), random);
  EXPECT_EQ(content(), 'a');
}

TEST_F(WriteCacheTest, AWriteWhoseSyncFailedIsLostInSpiteOfALaterOne) {
  const auto found = contents_after_failed_sync([this](Random& random) {
    cache_.synced(writes_);
    cache_.lose_some(file_.get(), random);
  });
  EXPECT_EQ(found, (std::set<char>{'a', 'o'}));
}

TEST_F(WriteCacheTest, AWriteWhoseSyncFailedIsLostWhenTheFileIsClosed) {
  const auto found = contents_after_failed_sync(
      [this](Random& random) { cache_.drop_given_up(file_.get(), random); });
  EXPECT_EQ(found, (std::set<char>{'a', 'o'}));
}

TEST_F(WriteCacheTest, ABlockThatIsWrittenAgainAfterItsSyncFailedIsMadeDurable) {
  write('a');
  cache_.sync_failed(writes_);
  write('b');
  Random random(1);
  cache_.drop_given_up(file_.get(), random);
  EXPECT_EQ(content(), 'b');
  cache_.synced(writes_);
  cache_.lose_some(file_.get(), random);
  EXPECT_EQ(content(), 'b');
}

}  // namespace
}  // namespace tapring::sim
