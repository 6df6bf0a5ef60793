// SPDX-License-Identifier: MIT
#include "daemon/xenstore/xenstore_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <stdexcept>

#include "tests/daemon/temporary_directory.h"

namespace tapring {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;
namespace fs = std::filesystem;

class XenstoreLockTest : public testing::Test {
 protected:
  fs::path locks() const { return host_.path() / "tapring"; }
  XenstoreLock lock() const { return XenstoreLock(xenstore_.path(), locks()); }

  /// The only file there is where locks are.
  fs::path file() const { return fs::directory_iterator(locks())->path(); }

  const TemporaryDirectory xenstore_;
  const TemporaryDirectory host_;
};

TEST_F(XenstoreLockTest, IsForOneProcessAndNamesIt) {
  XenstoreLock first = lock();
  first.take();
  first.take();
  XenstoreLock second = lock();
  try {
    second.take();
    ADD_FAILURE();
  } catch (const std::runtime_error& refusal) {
    EXPECT_THAT(refusal.what(), HasSubstr(fmt::format("(pid {})", ::getpid())));
    EXPECT_THAT(refusal.what(), HasSubstr(xenstore_.path().string()));
  }
}

TEST_F(XenstoreLockTest, IsForEachXenstoreApart) {
  const TemporaryDirectory another;
  XenstoreLock first = lock();
  XenstoreLock second(another.path(), locks());
  first.take();
  second.take();
}

TEST_F(XenstoreLockTest, GoesWithAProcessThatIsKilled) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const UniqueFd out(ends[0]);
  UniqueFd in(ends[1]);
  const pid_t child = ::fork();
  if (child == 0) {
    XenstoreLock taken = lock();
    taken.take();
    static_cast<void>(::write(in.get(), "x", 1));
    for (;;) ::pause();
  }
  char taken = 0;
  ASSERT_EQ(::read(out.get(), &taken, 1), 1);
  XenstoreLock successor = lock();
  EXPECT_THROW(successor.take(), std::runtime_error);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  successor.take();
}

TEST_F(XenstoreLockTest, WaitsForAXenstoreThatIsNotThereYet) {
  const fs::path place = xenstore_.path() / "xenstored";
  XenstoreLock early(place, locks());
  early.take();
  fs::create_directory(place);
  XenstoreLock(place, locks()).take();
  early.take();
  EXPECT_THROW(XenstoreLock(place, locks()).take(), std::runtime_error);
}

TEST_F(XenstoreLockTest, NobodyElseCanKeepUsFromIt) {
  // All that other users can open and lock.
  const UniqueFd directory(::open(xenstore_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  ASSERT_EQ(::flock(directory.get(), LOCK_EX | LOCK_NB), 0);
  lock().take();
  EXPECT_EQ(fs::status(locks()).permissions(), fs::perms::owner_all);
  EXPECT_EQ(fs::status(file()).permissions(), fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(XenstoreLockTest, IsNoFileThatOthersMayOpen) {
  lock().take();
  fs::permissions(file(), fs::perms::others_read, fs::perm_options::add);
  XenstoreLock refused = lock();
  EXPECT_THAT([&] { refused.take(); },
              ThrowsMessage<std::runtime_error>(HasSubstr("has mode 604 (remove it")));
}

TEST_F(XenstoreLockTest, IsNoLinkToAnotherFile) {
  lock().take();
  const fs::path path = file();
  fs::rename(path, path.string() + ".real");
  fs::create_symlink(path.string() + ".real", path);
  XenstoreLock refused = lock();
  EXPECT_THAT([&] { refused.take(); }, ThrowsMessage<std::runtime_error>(HasSubstr("without this "
                                                                                   "lock")));
}

TEST_F(XenstoreLockTest, IsNotInADirectoryThatOthersMayWrite) {
  fs::create_directory(locks());
  fs::permissions(locks(), fs::perms::all);
  XenstoreLock refused = lock();
  EXPECT_THAT([&] { refused.take(); },
              ThrowsMessage<std::runtime_error>(HasSubstr("has mode 777")));
}

}  // namespace
}  // namespace tapring
