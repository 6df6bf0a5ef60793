// SPDX-License-Identifier: MIT
#include "tests/sim/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <string>

#include "tests/sim/loop.h"

namespace tapring::sim {
namespace {

constexpr std::size_t kBlock = 4096;

/// A file of two blocks that is called "disk".
class SimFileTest : public testing::Test {
 protected:
  SimFileTest() {
    OpenFile open{};
    open.fd = UniqueFd(::memfd_create("disk", MFD_CLOEXEC));
    open.path = "disk";
    descriptor_ = open.fd.get();
    EXPECT_EQ(::ftruncate(descriptor_, 2 * kBlock), 0);
    file_ = loop_.file(std::move(open));
  }

  Detached write(uint64_t offset, char with, Error& result) {
    std::array<char, kBlock> data;
    data.fill(with);
    const iovec whole{data.data(), data.size()};
    result = co_await file_->write(offset, {&whole, 1});
    notes_ += with;
  }

  Detached read(uint64_t offset, std::array<char, kBlock>& into, Error& result) {
    const iovec whole{into.data(), into.size()};
    result = co_await file_->read(offset, {&whole, 1});
  }

  Detached sync(Error& result) { result = co_await file_->sync(); }

  char content(off_t offset) const {
    char found = '?';
    EXPECT_EQ(::pread(descriptor_, &found, 1, offset), 1);
    return found;
  }

  SimWorld world_{3};
  SimStorage storage_{world_};
  SimLoop loop_{world_, storage_};
  int descriptor_ = -1;
  std::unique_ptr<File> file_;
  std::string notes_;
};

TEST_F(SimFileTest, AWriteIsThereWhenItIsDone) {
  Error result = system_error_code(EIO);
  write(kBlock, 'x', result);
  EXPECT_EQ(content(kBlock), '\0');
  world_.run_until_idle();
  EXPECT_FALSE(result);
  EXPECT_EQ(content(kBlock), 'x');
  EXPECT_EQ(content(0), '\0');
}

TEST_F(SimFileTest, AReadGivesWhatIsThere) {
  Error result = system_error_code(EIO);
  std::array<char, kBlock> data{};
  write(0, 'x', result);
  world_.run_until_idle();
  read(0, data, result);
  world_.run_until_idle();
  EXPECT_FALSE(result);
  EXPECT_EQ(data.back(), 'x');
}

TEST_F(SimFileTest, ReadingPastTheEndFails) {
  Error result;
  std::array<char, kBlock> data{};
  read(kBlock + 1, data, result);
  world_.run_until_idle();
  EXPECT_TRUE(result);
}

TEST_F(SimFileTest, OperationsPassEachOther) {
  std::array<Error, 20> results;
  std::string in_order;
  for (char c = 'a'; c < 'u'; ++c) {
    write(0, c, results[static_cast<std::size_t>(c - 'a')]);
    in_order += c;
  }
  world_.run_until_idle();
  EXPECT_EQ(notes_.size(), in_order.size());
  EXPECT_NE(notes_, in_order);
}

TEST_F(SimFileTest, AFaultIsTheResult) {
  storage_.behaviour("disk").fault = [](const FileOperation& operation) {
    return operation.offset == kBlock ? system_error_code(ENOSPC) : Error{};
  };
  Error first = system_error_code(EIO);
  Error second;
  write(0, 'x', first);
  write(kBlock, 'y', second);
  world_.run_until_idle();
  EXPECT_FALSE(first);
  EXPECT_EQ(second.value(), ENOSPC);
}

TEST_F(SimFileTest, AShortTransferIsDoneInSteps) {
  uint64_t end = 0;
  std::size_t steps = 0;
  storage_.behaviour("disk").short_probability = 1;
  storage_.behaviour("disk").fault = [&](const FileOperation& operation) {
    EXPECT_EQ(operation.offset, end);
    end += operation.bytes;
    ++steps;
    return Error{};
  };
  Error result = system_error_code(EIO);
  write(0, 'x', result);
  world_.run_until_idle();
  EXPECT_FALSE(result);
  EXPECT_EQ(end, kBlock);
  EXPECT_GT(steps, 1U);
  EXPECT_EQ(content(0), 'x');
  EXPECT_EQ(content(kBlock - 1), 'x');
  end = 0;
  std::array<char, kBlock> data{};
  read(0, data, result);
  world_.run_until_idle();
  EXPECT_EQ(std::ranges::count(data, 'x'), kBlock);
}

TEST_F(SimFileTest, AShortTransferMayFailInItsMiddle) {
  storage_.behaviour("disk").short_probability = 1;
  storage_.behaviour("disk").fault = [](const FileOperation& operation) {
    return operation.offset == 0 ? Error{} : system_error_code(EIO);
  };
  Error result;
  write(0, 'x', result);
  world_.run_until_idle();
  EXPECT_EQ(result, std::errc::io_error);
  EXPECT_EQ(content(0), 'x');
}

TEST_F(SimFileTest, AFileThatHangsCompletesWhenReleased) {
  storage_.hang("disk");
  Error result = system_error_code(EIO);
  write(0, 'x', result);
  world_.run_until_idle();
  EXPECT_EQ(storage_.in_flight("disk"), 1U);
  storage_.release("disk");
  world_.run_until_idle();
  EXPECT_FALSE(result);
  EXPECT_EQ(storage_.in_flight("disk"), 0U);
}

TEST_F(SimFileTest, ASyncCoversTheWritesThatWereDone) {
  Error result;
  write(0, 'x', result);
  world_.run_until_idle();
  EXPECT_EQ(storage_.unsynced_writes("disk"), 1U);
  sync(result);
  write(0, 'y', result);
  world_.run_until_idle();
  EXPECT_EQ(storage_.unsynced_writes("disk"), 1U);
}

TEST_F(SimFileTest, ClosingGivesTheDescriptorBack) {
  Error result = system_error_code(EIO);
  const auto close = [](File& file, Error& error) -> Detached { error = co_await file.close(); };
  close(*file_, result);
  world_.run_until_idle();
  EXPECT_FALSE(result);
  EXPECT_EQ(::fcntl(descriptor_, F_GETFD), -1);
  EXPECT_EQ(storage_.open_files(), 1U);
  file_.reset();
  EXPECT_EQ(storage_.open_files(), 0U);
}

}  // namespace
}  // namespace tapring::sim
