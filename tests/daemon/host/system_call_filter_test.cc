// SPDX-License-Identifier: MIT
#include "daemon/host/system_call_filter.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "ring/uring_loop.h"
#include "tests/daemon/host/forked.h"

namespace tapring {
namespace {

int errno_behind(XenLibraries libraries, const std::function<long()>& act) {
  return errno_of_fork([&] {
    filter_system_calls(libraries);
    return act();
  });
}

int errno_of(const std::function<long()>& act) {
  return errno_behind(XenLibraries::of_system, act);
}

struct Forbidden {
  const char* name;
  std::function<long()> act;
};

class ForbiddenCall : public testing::TestWithParam<Forbidden> {};

TEST_P(ForbiddenCall, Fails) { EXPECT_EQ(errno_of(GetParam().act), EPERM); }

INSTANTIATE_TEST_SUITE_P(
    , ForbiddenCall,
    testing::Values(
        Forbidden{"Program", [] { return ::execl("/bin/true", "true", nullptr); }},
        Forbidden{"Process", [] { return ::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0); }},
        Forbidden{"Fork", [] { return ::syscall(SYS_fork); }},
        Forbidden{"Socket", [] { return ::socket(AF_UNIX, SOCK_STREAM, 0); }},
        Forbidden{"SocketOfTheInternet", [] { return ::socket(AF_INET, SOCK_STREAM, 0); }},
        Forbidden{"Connection", [] { return ::connect(0, nullptr, 0); }},
        Forbidden{"Kill", [] { return ::kill(::getppid(), 0); }},
        Forbidden{"OthersMemory",
                  [] { return ::process_vm_readv(::getppid(), nullptr, 0, nullptr, 0, 0); }},
        Forbidden{"Trace", [] { return ::ptrace(PTRACE_ATTACH, ::getppid(), 0, 0); }},
        Forbidden{"Descriptors", [] { return ::syscall(SYS_pidfd_getfd, 0, 0, 0); }},
        Forbidden{"Mount", [] { return ::mount("a", "/", "ext4", 0, nullptr); }},
        Forbidden{"Namespace", [] { return ::syscall(SYS_unshare, 0); }},
        Forbidden{"User", [] { return ::setuid(1000); }},
        Forbidden{"Module", [] { return ::syscall(SYS_init_module, nullptr, 0, nullptr); }},
        Forbidden{"Program of the kernel", [] { return ::syscall(SYS_bpf, 0, nullptr, 0); }},
        Forbidden{"Handle", [] { return ::syscall(SYS_open_by_handle_at, -1, nullptr, 0); }},
        Forbidden{"Uring", [] { return ::syscall(SYS_io_uring_setup, 8, nullptr); }},
        Forbidden{"Terminal", [] { return ::ioctl(0, TIOCSTI, "x"); }},
        Forbidden{"Freeze", [] { return ::ioctl(0, FIFREEZE, 0); }}),
    [](const auto& one) {
      std::string name = one.param.name;
      std::erase(name, ' ');
      return name;
    });

TEST(SystemCallFilter, ThreadsStart) {
  EXPECT_EQ(errno_of([] {
              pthread_t thread{};
              const int error = ::pthread_create(
                  &thread, nullptr, [](void* argument) -> void* { return argument; }, nullptr);
              if (error != 0) return error;
              return ::pthread_join(thread, nullptr);
            }),
            0);
}

TEST(SystemCallFilter, ARingThatWasThereServes) {
  auto uring = std::make_unique<Uring>(UringLoop::kEntries);
  EXPECT_EQ(errno_of([&] {
              UringLoop loop(std::move(uring));
              bool ran = false;
              loop.post([&ran] { ran = true; });
              while (!ran) loop.turn(true);
              return 0;
            }),
            0);
}

TEST(SystemCallFilter, OtherLibrariesOfXenMayHaveSockets) {
  const auto act = [] { return ::socket(AF_UNIX, SOCK_STREAM, 0); };
  EXPECT_EQ(errno_behind(XenLibraries::replaced, act), 0);
  const auto run = [] { return ::execl("/bin/true", "true", nullptr); };
  EXPECT_EQ(errno_behind(XenLibraries::replaced, run), EPERM);
}

}  // namespace
}  // namespace tapring
