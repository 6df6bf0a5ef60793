// SPDX-License-Identifier: MIT
// Files on a real io_uring.
#include "ring/uring_file.h"

#include <gtest/gtest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "ring/arena.h"
#include "ring/open_file.h"
#include "ring/uring_loop.h"

namespace tapring {
namespace {

constexpr std::size_t kBytes = 1 << 20;

template <typename T>
Detached store_result(Task<T> task, std::optional<T>& result) {
  result = co_await task;
}

class UringFileTest : public testing::TestWithParam<Caching> {
 protected:
  UringFileTest() {
    std::string name = (std::filesystem::current_path() / "uring_file_XXXXXX").string();
    const UniqueFd fd(::mkstemp(name.data()));
    path_ = name;
    std::filesystem::resize_file(path_, kBytes);
    file_ = open();
  }
  ~UringFileTest() override { std::filesystem::remove(path_); }

  std::unique_ptr<File> open() {
    FileOptions options;
    options.path = path_;
    options.caching = GetParam();
    options.lock.sharing = Sharing::unlocked;
    return loop_.file(open_file(options));
  }

  template <typename T>
  T run(Task<T> task) {
    std::optional<T> result;
    store_result(std::move(task), result);
    while (!result) loop_.turn(true);
    return *result;
  }

  std::vector<std::byte> pattern(std::size_t bytes) {
    std::vector<std::byte> data(bytes);
    for (std::size_t i = 0; i < bytes; ++i) data[i] = static_cast<std::byte>(i * 7 + i / 512);
    return data;
  }

  std::string path_;
  UringLoop loop_;
  Arena arena_{Arena::kMaxBlockBytes, loop_.memory_registry()};
  std::unique_ptr<File> file_;
};

INSTANTIATE_TEST_SUITE_P(Caching, UringFileTest,
                         testing::Values(Caching::page_cache, Caching::direct),
                         [](const auto& caching) {
                           return caching.param == Caching::direct ? "direct" : "page_cache";
                         });

/// Pages of a file that the page cache holds.
std::size_t cached_pages(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  void* const mapped = ::mmap(nullptr, kBytes, PROT_READ, MAP_SHARED, fd.get(), 0);
  EXPECT_NE(mapped, MAP_FAILED);
  std::vector<unsigned char> pages(kBytes / 4096);
  EXPECT_EQ(::mincore(mapped, kBytes, pages.data()), 0);
  ::munmap(mapped, kBytes);
  return static_cast<std::size_t>(
      std::ranges::count_if(pages, [](unsigned char page) { return (page & 1) != 0; }));
}

// Else io_uring gives each write to a page that a copy left there to a thread.
TEST(OpenFile, ForDirectUseLeavesNothingInThePageCache) {
  const std::string path = std::filesystem::current_path() / "open_file_test.img";
  {
    const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    const std::vector<std::byte> data(kBytes, std::byte{1});
    ASSERT_EQ(::write(fd.get(), data.data(), kBytes), ssize_t{kBytes});
  }
  EXPECT_GT(cached_pages(path), 0U);
  const OpenFile file = open_file({.path = path, .caching = Caching::direct});
  EXPECT_TRUE(!file.direct || cached_pages(path) == 0);
  std::filesystem::remove(path);
}

// Latencies are counted by it.
TEST_P(UringFileTest, WhoWaitedLearnsHowLate) {
  constexpr auto kPause = std::chrono::milliseconds(20);
  std::array<int, 2> ends;
  ASSERT_EQ(::pipe(ends.data()), 0);
  const UniqueFd reader(ends[0]), writer(ends[1]);
  char byte = 0;
  std::optional<Loop::Clock::time_point> woken;
  const auto read_byte = [&]() -> Detached {
    co_await UringTransfers::Transfer(
        loop_.transfers(), {reader.get(), UringTransfers::Direction::read, 0, {&byte, 1}, false});
    woken = loop_.turn_time();
  };
  const auto begin = Loop::Clock::now();
  read_byte();
  std::thread later([&] {
    std::this_thread::sleep_for(kPause);
    EXPECT_EQ(::write(writer.get(), "x", 1), 1);
  });
  while (!woken) loop_.turn(true);
  later.join();
  EXPECT_GE(*woken - begin, kPause);
}

TEST_P(UringFileTest, NeighboursOfOneTurnEachGetTheirOwn) {
  const auto data = pattern(64 << 10);
  std::ranges::copy(data, arena_.memory().begin());
  std::vector<iovec> parts;
  for (std::size_t at = 0; at < data.size(); at += 4096) {
    parts.push_back({arena_.memory().data() + at, 4096});
  }
  std::vector<std::optional<Error>> done(parts.size());
  const auto all_done = [&] {
    return std::ranges::all_of(done, [](const auto& one) { return one && !*one; });
  };
  for (std::size_t i = 0; i < parts.size(); ++i) {
    store_result(file_->write(i * 4096, {&parts[i], 1}), done[i]);
  }
  while (!all_done()) loop_.turn(true);
  std::ranges::fill(arena_.memory(), std::byte{0});
  std::ranges::fill(done, std::nullopt);
  // Into memory that lies the other way round.
  std::ranges::reverse(parts);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    store_result(file_->read(i * 4096, {&parts[i], 1}), done[i]);
  }
  while (!all_done()) loop_.turn(true);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    EXPECT_EQ(std::memcmp(parts[i].iov_base, data.data() + i * 4096, 4096), 0) << i;
  }
}

TEST_P(UringFileTest, ReadsWhatWasWrittenThroughRegisteredMemory) {
  const auto data = pattern(64 << 10);
  const iovec buffer{arena_.memory().data(), data.size()};
  std::ranges::copy(data, arena_.memory().begin());
  EXPECT_FALSE(run(file_->write(4096, {&buffer, 1})));
  std::ranges::fill(arena_.memory(), std::byte{0});
  EXPECT_FALSE(run(file_->read(4096, {&buffer, 1})));
  EXPECT_TRUE(std::equal(data.begin(), data.end(), arena_.memory().begin()));
}

TEST_P(UringFileTest, ReadsIntoSeveralBuffersInOrder) {
  auto data = pattern(4096);
  std::ranges::copy(data, arena_.memory().begin());
  const iovec whole{arena_.memory().data(), 4096};
  EXPECT_FALSE(run(file_->write(0, {&whole, 1})));
  std::byte* second = arena_.memory().data() + 8192;
  const std::array parts{iovec{second + 1024, 3072}, iovec{second, 1024}};
  EXPECT_FALSE(run(file_->read(0, parts)));
  EXPECT_TRUE(std::equal(data.begin(), data.begin() + 3072, second + 1024));
  EXPECT_TRUE(std::equal(data.begin() + 3072, data.end(), second));
}

TEST_P(UringFileTest, ReadPastTheEndOfATruncatedFileIsAnError) {
  std::filesystem::resize_file(path_, 8192);
  const iovec buffer{arena_.memory().data(), 8192};
  EXPECT_EQ(run(file_->read(4096, {&buffer, 1})), std::errc::io_error);
  EXPECT_EQ(run(file_->read(kBytes - 8192, {&buffer, 1})), std::errc::io_error);
}

TEST_P(UringFileTest, SyncSucceeds) { EXPECT_FALSE(run(file_->sync())); }

TEST_P(UringFileTest, DiscardedBytesReadAsZerosAndTakeNoRoom) {
  const iovec buffer{arena_.memory().data(), 64 << 10};
  std::ranges::fill(arena_.memory(), std::byte{7});
  EXPECT_FALSE(run(file_->write(0, {&buffer, 1})));
  EXPECT_FALSE(run(file_->sync()));
  EXPECT_FALSE(run(file_->discard(4096, 32 << 10)));
  struct stat status {};
  EXPECT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_blocks * 512, 32 << 10);
  EXPECT_FALSE(run(file_->read(0, {&buffer, 1})));
  const auto bytes = arena_.memory();
  EXPECT_EQ(std::ranges::count(bytes.first(64 << 10), std::byte{0}), 32 << 10);
  EXPECT_EQ(bytes[4095], std::byte{7});
  EXPECT_EQ(bytes[4096], std::byte{0});
}

TEST_P(UringFileTest, TheSizeIsThatOfNow) {
  EXPECT_EQ(run(file_->size()), kBytes);
  std::filesystem::resize_file(path_, 3 * kBytes);
  EXPECT_EQ(run(file_->size()), 3 * kBytes);
}

TEST_P(UringFileTest, CloseGivesTheDescriptorBack) {
  const auto open_files = [] {
    const std::filesystem::directory_iterator files("/proc/self/fd");
    return std::distance(begin(files), end(files));
  };
  const auto before = open_files();
  const auto other = open();
  EXPECT_FALSE(run(other->close()));
  EXPECT_EQ(open_files(), before);
}

TEST(UringFile, AShortTransferGoesOn) {
  UringLoop loop;
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  OpenFile pipe;
  pipe.fd = UniqueFd(ends[0]);
  const UniqueFd writer(ends[1]);
  const auto file = loop.file(std::move(pipe));
  const std::string text(512, 'x');
  std::string read(text.size(), '\0');
  const iovec whole{read.data(), read.size()};
  std::optional<Error> result;
  ASSERT_EQ(::write(writer.get(), text.data(), 100), 100);
  store_result(file->read(0, {&whole, 1}), result);
  loop.turn(true);
  EXPECT_FALSE(result);
  ASSERT_EQ(::write(writer.get(), text.data(), 412), 412);
  while (!result) loop.turn(true);
  EXPECT_EQ(*result, Error{});
  EXPECT_EQ(read, text);
}

TEST(UringLoop, PostFromAnotherThreadWakesTheLoop) {
  UringLoop loop;
  bool ran = false;
  std::thread poster([&] { loop.post([&] { ran = true; }); });
  while (!ran) loop.turn(true);
  poster.join();
  EXPECT_TRUE(ran);
}

TEST(UringLoop, StopFromAnotherThreadEndsRun) {
  UringLoop loop;
  std::thread stopper([&] { loop.stop(); });
  loop.run();
  stopper.join();
}

TEST(UringLoop, TakesMoreSubmissionsInATurnThanItHasEntries) {
  UringLoop loop(std::make_unique<Uring>(8));
  struct Counter final : Completion {
    void completed(int) noexcept override { ++count; }
    int count = 0;
  } counter;
  for (int i = 0; i < 100; ++i) {
    io_uring_sqe& sqe = loop.next_sqe();
    io_uring_prep_nop(&sqe);
    io_uring_sqe_set_data(&sqe, static_cast<Completion*>(&counter));
  }
  while (counter.count < 100) loop.turn(true);
  EXPECT_EQ(counter.count, 100);
}

}  // namespace
}  // namespace tapring
