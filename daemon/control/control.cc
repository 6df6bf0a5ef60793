// SPDX-License-Identifier: MIT
#include "daemon/control/control.h"

#include <fmt/format.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <exception>
#include <memory>
#include <set>
#include <string>
#include <system_error>
#include <utility>

#include "daemon/control/control_command.h"

namespace tapring {
namespace {

namespace asio = boost::asio;
using asio::local::stream_protocol;
using boost::system::error_code;

constexpr const char* kSocketName = "control.sock";
constexpr mode_t kSocketMode = 0600;
constexpr std::chrono::seconds kAcceptRetry{1};

[[noreturn]] void fail(int number, const std::string& what) {
  throw std::system_error(number, std::generic_category(), what);
}

// A daemon that was killed leaves its socket behind: such a one refuses connections.
void remove_stale(asio::io_context& io, const std::filesystem::path& path) {
  const auto status = std::filesystem::symlink_status(path);
  if (!std::filesystem::exists(status)) return;
  if (!std::filesystem::is_socket(status)) {
    fail(EEXIST, fmt::format("{} is not a socket; remove it", path.string()));
  }
  stream_protocol::socket probe(io, stream_protocol());
  probe.non_blocking(true);
  error_code error;
  probe.connect(path.string(), error);
  if (error != asio::error::connection_refused) {
    fail(EADDRINUSE, fmt::format("another tapringd answers at {}; stop it first", path.string()));
  }
  std::filesystem::remove(path);
}

stream_protocol::acceptor listen_at(asio::io_context& io, const std::filesystem::path& path) {
  std::filesystem::create_directories(path.parent_path());
  if (path.native().size() >= sizeof(sockaddr_un::sun_path)) {
    fail(ENAMETOOLONG, fmt::format("control socket {}; choose a shorter run_dir", path.string()));
  }
  remove_stale(io, path);
  try {
    stream_protocol::acceptor acceptor(io, stream_protocol());
    acceptor.bind(path.string());
    // Nobody can connect before listen(), so nobody does with the wrong mode.
    if (::chmod(path.c_str(), kSocketMode) != 0) fail(errno, path.string());
    acceptor.listen();
    return acceptor;
  } catch (const boost::system::system_error& error) {
    fail(error.code().value(), fmt::format("control socket {}", path.string()));
  }
}

/// One client. Shared by the coroutine that serves it and the timer that ends it.
struct Session : std::enable_shared_from_this<Session> {
  explicit Session(stream_protocol::socket peer)
      : socket(std::move(peer)), deadline(socket.get_executor()) {}

  /// Closes the connection unless allow() is called again within `time`.
  void allow(std::chrono::milliseconds time) {
    deadline.expires_after(time);
    deadline.async_wait([self = shared_from_this()](error_code) {
      // A timer that fired may have been set again before its handler ran.
      if (self->deadline.expiry() <= asio::steady_timer::clock_type::now()) self->close();
    });
  }

  /// The client has closed its end, perhaps because it has waited long enough: nobody would learn
  /// that what it asked for was done. One that only sends no more is still there.
  bool is_gone() {
    pollfd line{.fd = socket.native_handle(), .events = 0, .revents = 0};
    return ::poll(&line, 1, 0) > 0 && (line.revents & POLLHUP) != 0;
  }

  void close() {
    error_code ignored;
    socket.close(ignored);
    deadline.cancel();
  }

  stream_protocol::socket socket;
  asio::steady_timer deadline;
};

}  // namespace

std::filesystem::path control_socket_path(const std::filesystem::path& run_dir) {
  return run_dir / kSocketName;
}

/// Lives as long as its coroutines do, which is longer than Control: they end when they next run.
class Control::Listener : public std::enable_shared_from_this<Listener> {
 public:
  Listener(asio::io_context& io, std::filesystem::path path, ControlResponder responder,
           ControlLimits limits)
      : path_(std::move(path)),
        responder_(std::move(responder)),
        limits_(limits),
        acceptor_(listen_at(io, path_)),
        retry_(io) {}

  void start() {
    asio::co_spawn(acceptor_.get_executor(), accept_all(shared_from_this()), asio::detached);
  }

  void close() {
    closed_ = true;
    // Removed while it still answers: a successor then finds either it or nothing, never a socket
    // that looks stale and is removed twice.
    std::error_code no_file;
    std::filesystem::remove(path_, no_file);
    error_code ignored;
    acceptor_.close(ignored);
    retry_.cancel();
    for (const auto& session : sessions_) session->close();
  }

 private:
  static asio::awaitable<void> accept_all(std::shared_ptr<Listener> self) {
    while (!self->closed_) {
      error_code error;
      stream_protocol::socket peer =
          co_await self->acceptor_.async_accept(asio::redirect_error(asio::use_awaitable, error));
      if (self->closed_) co_return;
      if (!error) {
        self->admit(std::move(peer));
        continue;
      }
      spdlog::warn("control socket: accepting a connection: {}", error.message());
      self->retry_.expires_after(kAcceptRetry);
      co_await self->retry_.async_wait(asio::redirect_error(asio::use_awaitable, error));
    }
  }

  void admit(stream_protocol::socket peer) {
    if (sessions_.size() >= limits_.connections) {
      error_code ignored;
      peer.non_blocking(true, ignored);
      const std::string refusal = control_error("too many clients at once; try again") + "\n";
      peer.write_some(asio::buffer(refusal), ignored);
      return;
    }
    auto session = std::make_shared<Session>(std::move(peer));
    sessions_.insert(session);
    asio::co_spawn(acceptor_.get_executor(), serve(shared_from_this(), session),
                   [self = shared_from_this(), session](std::exception_ptr failure) {
                     self->sessions_.erase(session);
                     session->close();
                     if (failure) log(failure);
                   });
  }

  static asio::awaitable<void> serve(std::shared_ptr<Listener> self,
                                     std::shared_ptr<Session> session) {
    std::string input;
    error_code error;
    while (!error) {
      session->allow(self->limits_.idle);
      const std::size_t length = co_await asio::async_read_until(
          session->socket, asio::dynamic_buffer(input, self->limits_.request_bytes), '\n',
          asio::redirect_error(asio::use_awaitable, error));
      const bool too_long = error == asio::error::not_found;
      if (self->closed_ || (error && !too_long) || session->is_gone()) co_return;
      const std::string request = input.substr(0, length - 1);
      std::string answer;
      if (too_long) {
        answer = self->refuse_long_request();
      } else {
        answer = co_await self->respond(request);
      }
      answer += '\n';
      input.erase(0, length);
      session->allow(self->limits_.idle);
      error_code write_error;
      co_await asio::async_write(session->socket, asio::buffer(answer),
                                 asio::redirect_error(asio::use_awaitable, write_error));
      if (write_error) co_return;
    }
  }

  asio::awaitable<std::string> respond(const std::string& request) {
    return asio::async_initiate<const asio::use_awaitable_t<>&, void(std::string)>(
        [this, executor = acceptor_.get_executor()](auto handler, const std::string& asked) {
          // Posted, as it may be answered at once, while the coroutine does not yet wait for it.
          const auto waiting = std::make_shared<decltype(handler)>(std::move(handler));
          responder_(asked, [executor, waiting](std::string answer) {
            asio::post(executor, [waiting, answer = std::move(answer)]() mutable {
              std::move (*waiting)(std::move(answer));
            });
          });
        },
        asio::use_awaitable, request);
  }

  std::string refuse_long_request() const {
    return control_error(fmt::format("a request may have at most {} bytes", limits_.request_bytes));
  }

  static void log(std::exception_ptr failure) {
    try {
      std::rethrow_exception(std::move(failure));
    } catch (const std::exception& error) {
      spdlog::error("control socket: {}", error.what());
    }
  }

  const std::filesystem::path path_;
  const ControlResponder responder_;
  const ControlLimits limits_;
  stream_protocol::acceptor acceptor_;
  asio::steady_timer retry_;
  std::set<std::shared_ptr<Session>> sessions_;
  bool closed_ = false;
};

Control::Control(asio::io_context& io, const std::filesystem::path& run_dir, Administration& disks,
                 ControlLimits limits)
    : Control(
          io, run_dir,
          [&disks](std::string_view request, const std::function<void(std::string)>& done) {
            done(answer_control(request, disks));
          },
          limits) {}

Control::Control(asio::io_context& io, const std::filesystem::path& run_dir,
                 ControlResponder responder, ControlLimits limits)
    : listener_(std::make_shared<Listener>(io, control_socket_path(run_dir), std::move(responder),
                                           limits)) {
  listener_->start();
}

Control::~Control() {
  listener_->close();
}

}  // namespace tapring
