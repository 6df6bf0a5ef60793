// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <filesystem>
#include <functional>
#include <optional>
#include <thread>
#include <utility>

#include "daemon/control/control.h"

namespace tapring {

/// A Control on a thread of its own, as the daemon has it.
class ServedControl {
 public:
  ServedControl(const std::filesystem::path& run_dir, Administration& disks,
                ControlLimits limits = {}) {
    control_.emplace(io_, run_dir, disks, limits);
    thread_ = std::jthread([this] { io_.run(); });
  }
  ~ServedControl() { stop(); }
  ServedControl(const ServedControl&) = delete;
  ServedControl& operator=(const ServedControl&) = delete;

  void post(std::function<void()> work) { boost::asio::post(io_, std::move(work)); }

  /// Closes the control socket and waits until nothing of it runs any more.
  void stop() {
    if (!thread_.joinable()) return;
    boost::asio::post(io_, [this] {
      control_.reset();
      work_.reset();
    });
    thread_.join();
  }

 private:
  boost::asio::io_context io_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{
      io_.get_executor()};
  std::optional<Control> control_;
  std::jthread thread_;
};

}  // namespace tapring
