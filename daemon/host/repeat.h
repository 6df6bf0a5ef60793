// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <utility>

namespace tapring {

/// Does something again and again on the thread of a context.
class Repeat {
 public:
  Repeat(boost::asio::io_context& context, std::chrono::microseconds interval,
         std::function<void()> work)
      : timer_(context), interval_(interval), work_(std::move(work)) {
    again();
  }

 private:
  void again() {
    timer_.expires_after(interval_);
    timer_.async_wait([this](const boost::system::error_code& error) {
      if (error) return;
      work_();
      again();
    });
  }

  boost::asio::steady_timer timer_;
  std::chrono::microseconds interval_;
  std::function<void()> work_;
};

}  // namespace tapring
