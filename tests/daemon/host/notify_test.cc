// SPDX-License-Identifier: MIT
#include "daemon/host/notify.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <string>

#include "ring/unique_fd.h"
#include "tests/daemon/temporary_directory.h"

namespace tapring {
namespace {

/// Stands for systemd: owns the socket that $NOTIFY_SOCKET names.
class NotifyTest : public testing::Test {
 protected:
  NotifyTest() : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0)) {
    const std::string path = directory_.path() / "notify";
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
    EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
  }
  ~NotifyTest() override {
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC"}) ::unsetenv(name);
  }

  /// The oldest message not yet taken; empty if there is none.
  std::string message() {
    std::array<char, 4096> buffer{};
    const ssize_t length = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
    return {buffer.data(), static_cast<std::size_t>(length > 0 ? length : 0)};
  }

 private:
  TemporaryDirectory directory_;
  UniqueFd socket_;
};

TEST_F(NotifyTest, ReadyCarriesTheStatus) {
  Notify notify;
  notify.ready("serving 3 disks");
  EXPECT_EQ(message(), "READY=1\nSTATUS=serving 3 disks");
}

TEST_F(NotifyTest, AStatusCannotSaySomethingElse) {
  Notify notify;
  notify.status("a\nMAINPID=1");
  EXPECT_EQ(message(), "STATUS=a\\x0aMAINPID=1");
}

TEST_F(NotifyTest, StoppingIsSaidOnceAndAtTheLatestAtTheEnd) {
  {
    const Notify notify;
  }
  EXPECT_EQ(message(), "STOPPING=1");
  {
    Notify notify;
    notify.stopping();
  }
  EXPECT_EQ(message(), "STOPPING=1");
  EXPECT_EQ(message(), "");
}

TEST_F(NotifyTest, TheWatchdogIsBeatenTwiceInItsTime) {
  ::setenv("WATCHDOG_USEC", "3000000", 1);
  Notify notify;
  EXPECT_EQ(notify.watchdog_interval(), std::chrono::milliseconds(1500));
  notify.beat();
  EXPECT_EQ(message(), "WATCHDOG=1");
}

TEST_F(NotifyTest, WithoutSystemdNothingHappens) {
  ::unsetenv("NOTIFY_SOCKET");
  Notify notify;
  notify.ready("unheard");
  EXPECT_EQ(notify.watchdog_interval(), std::nullopt);
}

}  // namespace
}  // namespace tapring
