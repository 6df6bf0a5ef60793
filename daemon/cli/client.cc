// SPDX-License-Identifier: MIT
#include "daemon/cli/client.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <array>
#include <boost/json.hpp>
#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <system_error>

#include "daemon/control/control.h"
#include "daemon/control/json_text.h"
#include "ring/unique_fd.h"

namespace tapring {
namespace {

std::string remedy(int number) {
  if (number == EACCES || number == EPERM) return "run this as root";
  if (number == EAGAIN) return "it has too many clients; try again";
  return "start it: systemctl start tapringd";
}

[[noreturn]] void fail(const std::filesystem::path& socket, int number) {
  throw NoDaemon(fmt::format("no tapringd answers at {} ({}); {}", socket.string(),
                             std::generic_category().message(number), remedy(number)));
}

UniqueFd connect_to(const std::filesystem::path& socket, std::chrono::milliseconds time) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket.native().size() >= sizeof(address.sun_path)) fail(socket, ENAMETOOLONG);
  std::memcpy(address.sun_path, socket.c_str(), socket.native().size());
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) fail(socket, errno);
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(time);
  const std::chrono::microseconds rest = time - seconds;
  const timeval limit{seconds.count(), rest.count()};
  for (const int direction : {SO_RCVTIMEO, SO_SNDTIMEO}) {
    ::setsockopt(fd.get(), SOL_SOCKET, direction, &limit, sizeof(limit));
  }
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    fail(socket, errno);
  }
  return fd;
}

// A daemon with too many clients sends its answer and closes without reading the request. So a
// failure to send is ignored: there may be an answer to read all the same.
void send_line(const UniqueFd& fd, std::string_view line) {
  while (!line.empty()) {
    const ssize_t sent = ::send(fd.get(), line.data(), line.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EINTR) return;
    if (sent > 0) line.remove_prefix(static_cast<std::size_t>(sent));
  }
}

[[noreturn]] void give_up(const std::filesystem::path& socket, std::chrono::milliseconds time) {
  throw NoAnswer(
      fmt::format("tapringd at {} has not answered for {} s; it may wait for xenstored: see "
                  "journalctl -u tapringd",
                  socket.string(), std::chrono::ceil<std::chrono::seconds>(time).count()));
}

std::string receive_line(const UniqueFd& fd, const std::filesystem::path& socket,
                         std::chrono::milliseconds time) {
  std::string line;
  std::array<char, 16384> part{};
  for (;;) {
    const ssize_t length = ::recv(fd.get(), part.data(), part.size(), 0);
    if (length < 0 && errno == EINTR) continue;
    if (length < 0 && errno == EAGAIN) give_up(socket, time);
    if (length < 0) fail(socket, errno);
    if (length == 0) fail(socket, ECONNRESET);
    line.append(part.data(), static_cast<std::size_t>(length));
    if (line.back() == '\n') return line;
  }
}

}  // namespace

boost::json::object ask_daemon(const std::filesystem::path& run_dir,
                               const boost::json::object& request, std::chrono::milliseconds time) {
  const std::filesystem::path socket = control_socket_path(run_dir);
  const UniqueFd fd = connect_to(socket, time);
  send_line(fd, json_text(request) + "\n");
  boost::json::error_code error;
  boost::json::parse_options lenient;
  lenient.allow_invalid_utf8 = true;  // as older daemons quote a guest's bytes
  const boost::json::value answer =
      boost::json::parse(receive_line(fd, socket, time), error, {}, lenient);
  if (error || !answer.is_object()) {
    throw NoDaemon(fmt::format("what answers at {} is not a tapringd", socket.string()));
  }
  return answer.get_object();
}

}  // namespace tapring
