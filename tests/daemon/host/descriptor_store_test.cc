// SPDX-License-Identifier: MIT
#include "daemon/host/descriptor_store.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <future>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "ring/unique_fd.h"
#include "tests/daemon/temporary_directory.h"

namespace tapring {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::atomic<bool> hang_sync = false;
std::atomic<bool> in_sync = false;

}  // namespace
}  // namespace tapring

/// In place of the C library's: hangs if it is told to.
extern "C" int sync_file_range(int fd, off_t offset, off_t bytes, unsigned flags) {
  tapring::in_sync = true;
  tapring::in_sync.notify_all();
  tapring::hang_sync.wait(true);
  return static_cast<int>(::syscall(SYS_sync_file_range, fd, offset, bytes, flags));
}

namespace tapring {
namespace {

/// Stands for systemd: owns the socket that $NOTIFY_SOCKET names, and closes what it is sent.
class ServiceManager {
 public:
  explicit ServiceManager(const std::string& path)
      : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
    EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
    thread_ = std::jthread([this](const std::stop_token& stop) {
      while (!stop.stop_requested()) receive();
    });
  }
  ~ServiceManager() { ::unsetenv("NOTIFY_SOCKET"); }

  /// Of each message its text, and the path of the file that came with it.
  std::vector<std::string> messages() {
    const std::lock_guard lock(mutex_);
    return messages_;
  }

 private:
  void receive() {
    pollfd ready{socket_.get(), POLLIN, 0};
    constexpr int kLookMilliseconds = 20;
    if (::poll(&ready, 1, kLookMilliseconds) <= 0) return;
    std::array<char, 4096> text{};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(ucred))> extra{};
    iovec data{text.data(), text.size()};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = extra.data();
    message.msg_controllen = extra.size();
    const ssize_t length = ::recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC);
    std::string all(text.data(), static_cast<std::size_t>(length > 0 ? length : 0));
    const UniqueFd file = descriptor_in(message);
    if (all == "BARRIER=1") return;
    if (file) {
      all += ' ' + std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(file.get()))
                       .filename()
                       .string();
    }
    const std::lock_guard lock(mutex_);
    messages_.push_back(all);
  }

  static UniqueFd descriptor_in(msghdr& message) {
    for (cmsghdr* each = CMSG_FIRSTHDR(&message); each != nullptr;
         each = CMSG_NXTHDR(&message, each)) {
      if (each->cmsg_level != SOL_SOCKET || each->cmsg_type != SCM_RIGHTS) continue;
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(each), sizeof(fd));
      return UniqueFd(fd);
    }
    return {};
  }

  UniqueFd socket_;
  std::mutex mutex_;
  std::vector<std::string> messages_;
  std::jthread thread_;
};

class DescriptorStoreTest : public testing::Test {
 protected:
  UniqueFd open(const std::string& name) const {
    return UniqueFd(::open((directory_.path() / name).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  }

  std::vector<UniqueFd> witnesses() const {
    std::vector<UniqueFd> files;
    for (const char* name : {"a.qcow2", "a.data"}) files.push_back(open(name));
    return files;
  }

  TemporaryDirectory directory_;
};

TEST_F(DescriptorStoreTest, TheServiceManagerGetsTheWitnessesAndIsToldToCloseThem) {
  ServiceManager manager(directory_.path() / "notify");
  DescriptorStore store;
  store.keep("vbd-1-51712", witnesses());
  EXPECT_TRUE(store.keeps("vbd-1-51712"));
  EXPECT_THAT(store.disks(), ElementsAre("vbd-1-51712"));
  EXPECT_EQ(store.ask("vbd-1-51712"), Error());
  EXPECT_EQ(store.ask("vbd-2-51712"), std::nullopt);
  store.remove("vbd-1-51712");
  EXPECT_THAT(store.disks(), IsEmpty());
  EXPECT_THAT(manager.messages(), ElementsAre("FDSTORE=1\nFDNAME=vbd-1-51712 a.qcow2",
                                              "FDSTORE=1\nFDNAME=vbd-1-51712 a.data",
                                              "FDSTOREREMOVE=1\nFDNAME=vbd-1-51712"));
}

TEST_F(DescriptorStoreTest, WithoutAServiceManagerNothingIsKept) {
  DescriptorStore store;
  store.keep("vbd-1-51712", witnesses());
  EXPECT_FALSE(store.keeps("vbd-1-51712"));
  EXPECT_EQ(store.ask("vbd-1-51712"), std::nullopt);
}

/// In a process that the service manager has started with these files.
int ask_inherited(const UniqueFd& sound, const UniqueFd& not_a_file) {
  ::dup2(sound.get(), SD_LISTEN_FDS_START);
  ::dup2(sound.get(), SD_LISTEN_FDS_START + 1);
  ::dup2(not_a_file.get(), SD_LISTEN_FDS_START + 2);
  ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
  ::setenv("LISTEN_FDS", "3", 1);
  ::setenv("LISTEN_FDNAMES", "vbd-1-51712:vbd-2-51712:vbd-2-51712", 1);
  DescriptorStore store;
  const bool known = store.disks() == std::vector<std::string>{"vbd-1-51712", "vbd-2-51712"};
  const bool is_sound = store.ask("vbd-1-51712") == Error();
  const auto loss = store.ask("vbd-2-51712");
  const bool is_lost = loss && *loss == std::errc::state_not_recoverable;
  const bool is_closed = ::fcntl(SD_LISTEN_FDS_START + 1, F_GETFD) < 0;
  const bool same_answer = store.ask("vbd-2-51712") == loss;
  return known && is_sound && is_lost && is_closed && same_answer ? 0 : 1;
}

/// Likewise; an opening that hangs is given up, and the next one asks while it still does.
int ask_twice_at_once(const UniqueFd& not_a_file) {
  ::dup2(not_a_file.get(), SD_LISTEN_FDS_START);
  ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
  ::setenv("LISTEN_FDS", "1", 1);
  ::setenv("LISTEN_FDNAMES", "vbd-1-51712", 1);
  DescriptorStore store;
  hang_sync = true;
  const auto ask = [&store] { return store.ask("vbd-1-51712"); };
  auto first = std::async(std::launch::async, ask);
  in_sync.wait(false);
  auto second = std::async(std::launch::async, ask);
  second.wait_for(std::chrono::milliseconds(50));
  hang_sync = false;
  hang_sync.notify_all();
  const auto loss = first.get();
  const bool is_lost = loss && *loss == std::errc::state_not_recoverable;
  return is_lost && second.get() == loss ? 0 : 1;
}

UniqueFd make_no_file() {
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) return {};
  UniqueFd no_file(::fcntl(pipe[0], F_DUPFD_CLOEXEC, 100));
  for (const int end : pipe) ::close(end);
  return no_file;
}

int status_of(pid_t child) {
  int status = -1;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return status;
}

TEST_F(DescriptorStoreTest, WhoAsksMeanwhileGetsTheSameAnswer) {
  const UniqueFd not_a_file = make_no_file();
  const pid_t child = ::fork();
  if (child == 0) ::_exit(ask_twice_at_once(not_a_file));
  EXPECT_EQ(status_of(child), 0);
}

TEST_F(DescriptorStoreTest, TheNextProcessAsksThemAndClosesThem) {
  const UniqueFd sound(::fcntl(open("a.img").get(), F_DUPFD_CLOEXEC, 100));
  // The kernel answers that with an error, as it does where a write was lost.
  const UniqueFd not_a_file = make_no_file();
  const pid_t child = ::fork();
  if (child == 0) ::_exit(ask_inherited(sound, not_a_file));
  EXPECT_EQ(status_of(child), 0);
}

}  // namespace
}  // namespace tapring
