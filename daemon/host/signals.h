// SPDX-License-Identifier: MIT
// The signals that tell the daemon something, as events of the control thread.
#pragma once

#include <sys/signalfd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <chrono>
#include <functional>

namespace tapring {

/// Blocks SIGTERM, SIGINT, SIGHUP and SIGPIPE in this thread and in those that it starts from then
/// on: none of them interrupts a system call or ends the process. Call it first of all.
void block_signals();

/// Waits up to `limit` for one of the signals that end the daemon. For use before there is an event
/// loop.
void wait_for_end_signal(std::chrono::seconds limit);

/// After block_signals().
class Signals {
 public:
  /// `told` is called on the control thread, with SIGTERM, SIGINT or SIGHUP. Throws
  /// std::system_error.
  Signals(boost::asio::io_context& control, std::function<void(int signal)> told);
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

 private:
  void read_next();

  boost::asio::posix::stream_descriptor descriptor_;
  std::function<void(int)> told_;
  signalfd_siginfo info_{};
};

}  // namespace tapring
