// SPDX-License-Identifier: MIT
#include "daemon/xenstore_lock.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <stdexcept>

#include "tests/daemon/temporary_directory.h"

namespace tapring {
namespace {

TEST(XenstoreLock, IsForOneProcessAndNamesIt) {
  const TemporaryDirectory xenstore;
  XenstoreLock first(xenstore.path());
  first.take();
  first.take();
  XenstoreLock second(xenstore.path());
  try {
    second.take();
    ADD_FAILURE();
  } catch (const std::runtime_error& refusal) {
    EXPECT_THAT(refusal.what(), testing::HasSubstr(fmt::format("(pid {})", ::getpid())));
    EXPECT_THAT(refusal.what(), testing::HasSubstr(xenstore.path().string()));
  }
}

TEST(XenstoreLock, IsForEachXenstoreApart) {
  const TemporaryDirectory one;
  const TemporaryDirectory another;
  XenstoreLock first(one.path());
  XenstoreLock second(another.path());
  first.take();
  second.take();
}

TEST(XenstoreLock, GoesWithAProcessThatIsKilled) {
  const TemporaryDirectory xenstore;
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const UniqueFd out(ends[0]);
  UniqueFd in(ends[1]);
  const pid_t child = ::fork();
  if (child == 0) {
    XenstoreLock lock(xenstore.path());
    lock.take();
    static_cast<void>(::write(in.get(), "x", 1));
    for (;;) ::pause();
  }
  char taken = 0;
  ASSERT_EQ(::read(out.get(), &taken, 1), 1);
  XenstoreLock lock(xenstore.path());
  EXPECT_THROW(lock.take(), std::runtime_error);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  lock.take();
}

TEST(XenstoreLock, WaitsForAPlaceThatIsNotThereYet) {
  const TemporaryDirectory parent;
  const std::filesystem::path place = parent.path() / "xenstored";
  XenstoreLock lock(place);
  lock.take();
  std::filesystem::create_directory(place);
  XenstoreLock(place).take();
  lock.take();
  EXPECT_THROW(XenstoreLock(place).take(), std::runtime_error);
}

}  // namespace
}  // namespace tapring
