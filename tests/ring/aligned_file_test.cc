// SPDX-License-Identifier: MIT
#include "ring/aligned_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ring/open_file.h"
#include "ring/waiting.h"
#include "tests/sim/loop.h"
#include "tests/sim/storage.h"
#include "tests/sim/world.h"

namespace tapring {
namespace {

constexpr std::size_t kBlock = 4096;
constexpr std::size_t kSector = 512;
constexpr std::size_t kFileBytes = 8 * kBlock;

/// A file of eights that takes whole blocks only.
class AlignedFileTest : public testing::TestWithParam<uint64_t> {
 protected:
  AlignedFileTest() {
    storage_.behaviour("disk").block_bytes = kBlock;
    OpenFile open{};
    open.fd = UniqueFd(::memfd_create("disk", MFD_CLOEXEC));
    open.path = "disk";
    descriptor_ = open.fd.get();
    const std::vector<char> eights(kFileBytes, '8');
    EXPECT_EQ(::pwrite(descriptor_, eights.data(), kFileBytes, 0), ssize_t{kFileBytes});
    file_ = loop_.file(std::move(open));
  }

  Detached write(uint64_t offset, std::size_t bytes, char with) {
    const TaskGroup::Member member(tasks_);
    std::vector<char> data(bytes, with);
    const iovec whole{data.data(), bytes};
    const Error error = co_await file_->write(offset, {&whole, 1});
    EXPECT_FALSE(error) << error.message();
  }

  std::string read(uint64_t offset, std::size_t bytes) {
    std::string data(bytes, '?');
    std::optional<Error> result;
    const auto run = [&]() -> Detached {
      const iovec whole{data.data(), bytes};
      result = co_await file_->read(offset, {&whole, 1});
    };
    run();
    world_.run_until_idle();
    EXPECT_TRUE(result && !*result);
    return data;
  }

  std::string content() const {
    std::string all(kFileBytes, '?');
    EXPECT_EQ(::pread(descriptor_, all.data(), kFileBytes, 0), ssize_t{kFileBytes});
    return all;
  }

  sim::SimWorld world_{GetParam()};
  sim::SimStorage storage_{world_};
  sim::SimLoop loop_{world_, storage_};
  TaskGroup tasks_{loop_};
  int descriptor_ = -1;
  std::unique_ptr<File> file_;
};

INSTANTIATE_TEST_SUITE_P(Seeds, AlignedFileTest, testing::Range(uint64_t{1}, uint64_t{6}));

TEST_P(AlignedFileTest, AWriteInsideABlockKeepsTheRest) {
  write(kBlock + kSector, kSector, 'x');
  world_.run_until_idle();
  std::string expected(kFileBytes, '8');
  expected.replace(kBlock + kSector, kSector, kSector, 'x');
  EXPECT_EQ(content(), expected);
}

TEST_P(AlignedFileTest, AWriteAcrossBlocksKeepsWhatIsBesideIt) {
  const std::size_t offset = 2 * kBlock - kSector;
  const std::size_t bytes = 2 * kBlock + 2 * kSector;
  write(offset, bytes, 'x');
  world_.run_until_idle();
  std::string expected(kFileBytes, '8');
  expected.replace(offset, bytes, bytes, 'x');
  EXPECT_EQ(content(), expected);
}

TEST_P(AlignedFileTest, AReadGivesItsPartOfTheBlocks) {
  write(kBlock - kSector, 2 * kSector, 'x');
  world_.run_until_idle();
  EXPECT_EQ(read(kBlock - 2 * kSector, 4 * kSector),
            std::string(kSector, '8') + std::string(2 * kSector, 'x') + std::string(kSector, '8'));
}

TEST_P(AlignedFileTest, WritesToPartsOfOneBlockDoNotUndoEachOther) {
  std::string expected(kFileBytes, '8');
  for (std::size_t i = 0; i < kBlock / kSector; ++i) {
    const char with = static_cast<char>('a' + i);
    write(3 * kBlock + i * kSector, kSector, with);
    expected.replace(3 * kBlock + i * kSector, kSector, kSector, with);
  }
  world_.run_until_idle();
  EXPECT_EQ(content(), expected);
}

TEST_P(AlignedFileTest, AWholeBlockIsNotUndoneByAPartBegunEarlier) {
  write(kSector, kSector, 'x');
  write(0, kBlock, 'y');
  world_.run_until_idle();
  EXPECT_EQ(content().substr(0, kBlock), std::string(kBlock, 'y'));
}

TEST_P(AlignedFileTest, ADiscardIsNotUndoneByAPartBegunEarlier) {
  write(kSector, kSector, 'x');
  const auto discard = [this]() -> Detached {
    const Error error = co_await file_->discard(0, kBlock);
    EXPECT_FALSE(error);
  };
  discard();
  world_.run_until_idle();
  EXPECT_EQ(content().substr(0, kBlock), std::string(kBlock, '\0'));
}

TEST_P(AlignedFileTest, ErrorsOfTheReadBeforeAWriteAreTheResult) {
  storage_.behaviour("disk").fault = [](const sim::FileOperation& operation) {
    return operation.kind == sim::FileOperation::Kind::read ? system_error_code(EIO) : Error{};
  };
  std::optional<Error> result;
  const auto run = [&]() -> Detached {
    std::vector<char> data(kSector, 'x');
    const iovec whole{data.data(), kSector};
    result = co_await file_->write(kSector, {&whole, 1});
  };
  run();
  world_.run_until_idle();
  EXPECT_EQ(result.value_or(Error{}), std::errc::io_error);
  EXPECT_EQ(content(), std::string(kFileBytes, '8'));
}

TEST_P(AlignedFileTest, TheSizeIsInWholeBlocks) {
  EXPECT_EQ(::ftruncate(descriptor_, kFileBytes + kBlock + kSector), 0);
  std::optional<Result<uint64_t>> size;
  const auto run = [&]() -> Detached { size = co_await file_->size(); };
  run();
  EXPECT_EQ(size, Result<uint64_t>(kFileBytes + kBlock));
}

}  // namespace
}  // namespace tapring
