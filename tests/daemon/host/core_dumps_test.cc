// SPDX-License-Identifier: MIT
#include "daemon/host/core_dumps.h"

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

bool guest_bytes_would_be_dumped() {
  const ScratchPages bytes(10'000);
  return would_be_dumped(bytes.data()) && would_be_dumped(bytes.data() + 9'999);
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
  for (const char* name : core_dumps_names()) {
    const auto choice = parse_core_dumps(name);
    ASSERT_TRUE(choice) << name;
    EXPECT_STREQ(core_dumps_name(*choice), name);
  }
  EXPECT_FALSE(parse_core_dumps("some"));
}

}  // namespace
}  // namespace tapring
