// SPDX-License-Identifier: MIT
#include "ring/direct_io.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ring/error.h"
#include "ring/file.h"
#include "ring/open_file.h"
#include "ring/task.h"
#include "ring/uring_loop.h"
#include "tests/daemon/temporary_directory.h"
#include "tests/ring/loop_file_system.h"

namespace tapring {
namespace {

TEST(DioAlign, IsWhatTheKernelStates) {
  EXPECT_EQ(dio_align({.stated = 512}), 512U);
  EXPECT_EQ(dio_align({.stated = 4096, .reads_sector = true}), 4096U);
  EXPECT_EQ(dio_align({.stated = 4}), 512U);
  EXPECT_EQ(dio_align({.stated = 0, .device_block_bytes = 512}), 0U);
}

TEST(DioAlign, IsElseThatOfTheDevice) {
  EXPECT_EQ(dio_align({.device_block_bytes = 512}), 512U);
  EXPECT_EQ(dio_align({.device_block_bytes = 4096, .reads_sector = true}), 4096U);
}

TEST(DioAlign, IsASectorWhereAnyAlignmentIsTaken) {
  EXPECT_EQ(dio_align({.any_alignment = true, .device_block_bytes = 4096}), 512U);
}

TEST(DioAlign, OfAnUnknownFileSystemIsWhatDataCanBeReadIn) {
  EXPECT_EQ(dio_align({.reads_sector = true}), 512U);
  EXPECT_EQ(dio_align({.reads_sector = false}), 4096U);
  EXPECT_EQ(dio_align({}), 4096U);
}

constexpr std::size_t kTransferBytes = 1 << 20;

void make_sparse(const std::string& path) {
  std::ofstream(path).close();
  std::filesystem::resize_file(path, kTransferBytes);
}

void make_allocated(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  ASSERT_EQ(::posix_fallocate(fd.get(), 0, kTransferBytes), 0);
}

void make_full(const std::string& path) {
  std::ofstream(path) << std::string(kTransferBytes, 'x');
}

Detached store_error(Task<Error> task, std::optional<Error>& result) {
  result = co_await task;
}

/// One sector each, into holes and beside data, at each offset that a block of 4096 bytes has.
class DirectIoOn : public testing::TestWithParam<std::string> {
 protected:
  Error run(Task<Error> task) {
    std::optional<Error> result;
    store_error(std::move(task), result);
    while (!result) loop_.turn(true);
    return *result;
  }

  void serve(const std::string& path) {
    SCOPED_TRACE(path);
    OpenFile open = open_file({.path = path, .caching = Caching::direct});
    EXPECT_TRUE(open.direct);
    const auto file = loop_.file(std::move(open));
    alignas(4096) std::array<std::byte, 512> sector{};
    const iovec buffer{sector.data(), sector.size()};
    for (uint64_t at = 0; at < 8; ++at) {
      const uint64_t offset = at * (65536 + 512);
      sector.fill(std::byte{static_cast<unsigned char>(at + 1)});
      EXPECT_EQ(run(file->write(offset, {&buffer, 1})), Error{}) << offset;
      sector.fill(std::byte{0});
      EXPECT_EQ(run(file->read(offset, {&buffer, 1})), Error{}) << offset;
      EXPECT_EQ(sector[511], std::byte{static_cast<unsigned char>(at + 1)}) << offset;
    }
    EXPECT_EQ(run(file->close()), Error{});
  }

  UringLoop loop_{std::make_unique<Uring>(8)};
};

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(DirectIoOn);
INSTANTIATE_TEST_SUITE_P(LargeSectors, DirectIoOn, testing::ValuesIn(LoopFileSystem::types()),
                         [](const auto& type) { return type.param; });

TEST_P(DirectIoOn, SectorsOfAnyFileCanBeReadAndWritten) {
  const LoopFileSystem file_system(GetParam(), 4096);
  const std::string directory = file_system.path();
  make_sparse(directory + "/sparse");
  make_allocated(directory + "/allocated");
  make_full(directory + "/full");
  for (const char* name : {"/sparse", "/allocated", "/full"}) serve(directory + name);
}

// Another guest may have it.
TEST(OpenFile, ToLookWritesNothing) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() / "a.img";
  make_full(path);
  const auto old = std::filesystem::file_time_type::clock::now() - std::chrono::hours(1);
  std::filesystem::last_write_time(path, old);
  const OpenFile file = open_file({.path = path, .locking = Locking::look});
  EXPECT_EQ(std::filesystem::last_write_time(path), old);
}

}  // namespace
}  // namespace tapring
