// SPDX-License-Identifier: MIT
// The control socket, RUN_DIR/control.sock: where the tapring command asks. control_command.h says
// what can be asked.
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "daemon/vbd/administration.h"

namespace boost::asio {
class io_context;
}

namespace tapring {

/// Bounds on what clients can make the daemon hold.
struct ControlLimits {
  std::size_t connections = 16;
  std::size_t request_bytes = 4096;
  std::chrono::milliseconds idle = std::chrono::seconds(30);  ///< or slow to read an answer
};

std::filesystem::path control_socket_path(const std::filesystem::path& run_dir);

/// Runs `done`, at once or later on the same thread, with the answer to a request.
using ControlResponder =
    std::function<void(std::string_view request, std::function<void(std::string answer)> done)>;

/// Answers on the thread that runs `io`, to root only, until it is destroyed on that thread; then
/// the socket is gone, too.
class Control {
 public:
  /// Makes `run_dir` if need be. Replaces a socket that nobody answers at; throws std::system_error
  /// if somebody does, or if the socket cannot be made. `disks` outlives this.
  Control(boost::asio::io_context& io, const std::filesystem::path& run_dir, Administration& disks,
          ControlLimits limits = {});
  /// Likewise, by asking somebody else.
  Control(boost::asio::io_context& io, const std::filesystem::path& run_dir,
          ControlResponder responder, ControlLimits limits = {});
  ~Control();
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;

 private:
  class Listener;
  std::shared_ptr<Listener> listener_;
};

}  // namespace tapring
