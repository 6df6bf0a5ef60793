// SPDX-License-Identifier: MIT
#include "daemon/xenstore/xenstore_socket.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>

extern "C" {  // the header does not say so itself
#include <xenstore.h>
}

#include "daemon/xenstore/xenstore.h"

namespace tapring {
namespace {

// A busy xenstored may have as many callers waiting as it lets wait: Debian's, a single one.
constexpr timeval kAcceptPatience{.tv_sec = 2, .tv_usec = 0};

/// Descriptors of sockets that are connected to something of the name that xenstored's socket has.
/// The directory may be written in another way.
std::set<int> connections() {
  const std::string name = std::filesystem::path(xs_daemon_socket()).filename();
  std::set<int> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    const int fd = std::stoi(entry.path().filename());
    sockaddr_un peer{};
    socklen_t length = sizeof peer;
    if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &length) != 0) continue;
    if (peer.sun_family != AF_UNIX || length <= offsetof(sockaddr_un, sun_path)) continue;
    peer.sun_path[sizeof peer.sun_path - 1] = '\0';
    if (std::filesystem::path(peer.sun_path).filename() == name) found.insert(fd);
  }
  return found;
}

bool same_file(int one, int other) {
  struct stat first{};
  struct stat second{};
  return ::fstat(one, &first) == 0 && ::fstat(other, &second) == 0 &&
         first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

}  // namespace

void XenstoreSocket::require_listener() {
  const std::string path = xs_daemon_socket();
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0 || !S_ISSOCK(status.st_mode)) return;
  const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ::setsockopt(probe.get(), SOL_SOCKET, SO_SNDTIMEO, &kAcceptPatience, sizeof kAcceptPatience);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  if (::connect(probe.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return;
  throw XenstoreLost(errno, "cannot reach xenstored at " + path);
}

XenstoreSocket::XenstoreSocket() : before_(connections()) {}

XenstoreSocket::~XenstoreSocket() {
  if (socket_ && same_file(library_socket_, socket_.get())) ::close(library_socket_);
}

void XenstoreSocket::find() {
  for (const int fd : connections()) {
    if (before_.contains(fd)) continue;
    library_socket_ = fd;
    socket_ = UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
    if (!socket_) throw XenstoreLost(errno, "watching the connection to xenstored");
  }
  if (!socket_) return;
  hangup_ = UniqueFd(::epoll_create1(EPOLL_CLOEXEC));
  if (!hangup_) throw XenstoreLost(errno, "watching the connection to xenstored");
  epoll_event event{};
  event.events = EPOLLRDHUP;
  ::epoll_ctl(hangup_.get(), EPOLL_CTL_ADD, socket_.get(), &event);
}

bool XenstoreSocket::ended() const noexcept {
  if (!socket_) return false;
  pollfd line{.fd = socket_.get(), .events = POLLRDHUP, .revents = 0};
  return ::poll(&line, 1, 0) > 0 && (line.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

}  // namespace tapring
