// SPDX-License-Identifier: MIT
#include "tests/bench/qemu_nbd.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <stdexcept>
#include <system_error>
#include <thread>

namespace tapring::bench {
namespace {

constexpr int kFirstActivatedFd = 3;  // as systemd hands over sockets
constexpr int kBacklog = 16;
constexpr std::chrono::seconds kEndPatience{60};  // until an image is closed
constexpr std::chrono::seconds kTermination{5};

[[noreturn]] void fail_nbd(const char* what) {
  throw std::system_error(errno, std::system_category(), what);
}

UniqueFd unix_socket() {
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) fail_nbd("socket");
  return socket;
}

/// At an address that the kernel chooses and no file stands for.
UniqueFd listening_socket() {
  UniqueFd socket = unix_socket();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const auto* any = reinterpret_cast<const sockaddr*>(&address);
  if (::bind(socket.get(), any, sizeof address.sun_family) != 0) fail_nbd("bind");
  if (::listen(socket.get(), kBacklog) != 0) fail_nbd("listen");
  return socket;
}

UniqueFd connected_to(const UniqueFd& listening) {
  sockaddr_un address{};
  socklen_t length = sizeof address;
  auto* where = reinterpret_cast<sockaddr*>(&address);
  if (::getsockname(listening.get(), where, &length) != 0) fail_nbd("getsockname");
  UniqueFd socket = unix_socket();
  if (::connect(socket.get(), where, length) != 0) fail_nbd("connect");
  return socket;
}

std::vector<std::string> command(const QemuNbd::Options& options) {
  return {"qemu-nbd",
          "--format=" + options.format,
          "--cache=none",
          "--aio=" + options.aio,
          "--shared=" + std::to_string(options.connections),
          options.image};
}

/// In the child, of a process that has no threads yet.
[[noreturn]] void become_qemu_nbd(const UniqueFd& listening, pid_t parent,
                                  const std::vector<char*>& arguments) {
  // Whoever kills us with force leaves nothing that has the image open.
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(1);
  ::dup2(STDERR_FILENO, STDOUT_FILENO);  // ours is for figures
  if (listening.get() == kFirstActivatedFd) {
    ::fcntl(kFirstActivatedFd, F_SETFD, 0);
  } else {
    ::dup2(listening.get(), kFirstActivatedFd);
  }
  ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
  ::setenv("LISTEN_FDS", "1", 1);
  ::execvp(arguments.front(), arguments.data());
  std::perror(arguments.front());
  ::_exit(127);
}

}  // namespace

QemuNbd::QemuNbd(const Options& options) {
  const UniqueFd listening = listening_socket();
  for (uint32_t i = 0; i < options.connections; ++i) {
    connections_.push_back(connected_to(listening));
  }
  std::vector<std::string> words = command(options);
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const pid_t parent = ::getpid();
  process_ = ::fork();
  if (process_ < 0) fail_nbd("fork");
  if (process_ == 0) become_qemu_nbd(listening, parent, arguments);
}

QemuNbd::~QemuNbd() {
  connections_.clear();
  if (process_ < 0) return;
  ::kill(process_, SIGTERM);
  if (ends_within(kTermination)) return;
  ::kill(process_, SIGKILL);
  ::waitpid(process_, nullptr, 0);
}

std::chrono::nanoseconds QemuNbd::processor_time() const {
  clockid_t clock;
  timespec time{};
  const int error = ::clock_getcpuclockid(process_, &clock);
  if (error != 0 || ::clock_gettime(clock, &time) != 0) {
    throw std::system_error(error != 0 ? error : errno, std::system_category(),
                            "clock of qemu-nbd");
  }
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

void QemuNbd::wait_for_end() {
  if (!ends_within(kEndPatience)) throw std::runtime_error("qemu-nbd does not end");
  if (status_ != 0) {
    throw std::runtime_error("qemu-nbd ended with status " + std::to_string(status_));
  }
}

bool QemuNbd::ends_within(std::chrono::seconds time) {
  const auto limit = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < limit) {
    const pid_t ended = ::waitpid(process_, &status_, WNOHANG);
    if (ended == process_) {
      process_ = -1;
      return true;
    }
    if (ended < 0 && errno != EINTR) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return false;
}

}  // namespace tapring::bench
