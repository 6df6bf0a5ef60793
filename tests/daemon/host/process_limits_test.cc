// SPDX-License-Identifier: MIT
#include "daemon/host/process_limits.h"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <thread>

#include "daemon/config/options.h"
#include "ring/arena.h"
#include "ring/scratch_pages.h"

namespace tapring {
namespace {

/// Whether what is at the address would be in a core dump: proc_pid_smaps(5), VmFlags.
bool would_be_dumped(const void* address) {
  std::ifstream smaps("/proc/self/smaps");
  bool here = false;
  for (std::string line; std::getline(smaps, line);) {
    uintptr_t begin = 0;
    uintptr_t end = 0;
    char dash = 0;
    std::istringstream range(line);
    if (range >> std::hex >> begin >> dash >> end && dash == '-') {
      here = begin <= reinterpret_cast<uintptr_t>(address) &&
             reinterpret_cast<uintptr_t>(address) < end;
    }
    if (here && line.starts_with("VmFlags:")) return !line.contains(" dd");
  }
  ADD_FAILURE() << "no memory there";
  return true;
}

/// What a process that begins with this choice says; it is another, as some of it is for good.
bool holds_after(CoreDumps choice, const std::function<bool()>& statement) {
  const pid_t child = ::fork();
  if (child == 0) {
    allow_core_dumps(choice);
    ::_exit(statement() ? 0 : 1);
  }
  int status = 1;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool arena_would_be_dumped() {
  const Arena arena(Arena::kMaxBlockBytes);
  return would_be_dumped(arena.memory().data()) && would_be_dumped(&arena.memory().back());
}

/// On a thread of its own, which has kept no pages of earlier tests.
bool guest_bytes_would_be_dumped() {
  bool dumped = false;
  std::jthread([&dumped] {
    const ScratchPages bytes(10'000);
    dumped = would_be_dumped(bytes.data()) && would_be_dumped(bytes.data() + 9'999);
  }).join();
  return dumped;
}

TEST(CoreDumps, HoldNoDataOfGuestsUnlessAskedFor) {
  EXPECT_FALSE(holds_after(CoreDumps::without_guest_data, arena_would_be_dumped));
  EXPECT_FALSE(holds_after(CoreDumps::without_guest_data, guest_bytes_would_be_dumped));
  EXPECT_TRUE(holds_after(CoreDumps::full, arena_would_be_dumped));
  EXPECT_TRUE(holds_after(CoreDumps::full, guest_bytes_would_be_dumped));
}

TEST(CoreDumps, HoldWhatElseThereIs) {
  EXPECT_TRUE(holds_after(CoreDumps::without_guest_data, [] {
    const std::string text(100'000, 'x');
    return would_be_dumped(text.data());
  }));
}

TEST(CoreDumps, AreAsLargeAsTheyMayBe) {
  EXPECT_TRUE(holds_after(CoreDumps::without_guest_data, [] {
    rlimit limit{};
    return ::getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_cur == limit.rlim_max &&
           ::prctl(PR_GET_DUMPABLE) == 1;
  }));
}

TEST(CoreDumps, AreNotMadeWhereTheyAreUnwanted) {
  EXPECT_TRUE(holds_after(CoreDumps::none, [] {
    rlimit limit{};
    return ::getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_cur == 0 && limit.rlim_max == 0 &&
           ::prctl(PR_GET_DUMPABLE) == 0;
  }));
}

TEST(CoreDumps, HaveNames) {
  for (const char* name : kNames<CoreDumps>) {
    const auto choice = parse_name<CoreDumps>(name);
    ASSERT_TRUE(choice) << name;
    EXPECT_STREQ(name_of(*choice), name);
  }
  EXPECT_FALSE(parse_name<CoreDumps>("some"));
}

TEST(DiskLimit, TheServicesDescriptorsAreEnoughForTheDefault) {
  constexpr uint64_t kOfTheUnit = 65536;  // LimitNOFILE=
  EXPECT_GE(disk_limit(kOfTheUnit, Options().worker_count()), Options().max_disks);
}

TEST(DiskLimit, FewDescriptorsAreFewDisks) {
  EXPECT_LT(disk_limit(1024, 4), 100U);
  EXPECT_GT(disk_limit(1024, 4), 10U);
  EXPECT_EQ(disk_limit(0, 64), 1U);
  for (const uint32_t workers : {1U, 4U, 64U}) {
    const uint64_t most = disk_limit(100'000, workers);
    EXPECT_LE(descriptors_of_daemon(workers) + most * descriptors_of_disk(workers), 100'000U);
    EXPECT_GT(descriptors_of_daemon(workers) + (most + 1) * descriptors_of_disk(workers), 100'000U);
  }
}

TEST(DiskLimit, PagesOfGuestsTakeNoMoreThanHalfOfTheMappings) {
  EXPECT_EQ(kept_page_limit(1000, 4), 125U);
  EXPECT_GT(mapping_limit(), 1000U);
}

TEST(DiskLimit, AllDescriptorsThatAreAllowedAreUsed) {
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  limit.rlim_cur = 64;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(raise_descriptor_limit(), limit.rlim_max);
}

}  // namespace
}  // namespace tapring
