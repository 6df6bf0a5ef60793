// SPDX-License-Identifier: MIT
// The thread of an Asio context, as the ports have it.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <utility>

#include "daemon/host/work.h"
#include "ring/executor.h"

namespace tapring {

class ControlThread final : public Executor, public Timer {
 public:
  explicit ControlThread(boost::asio::io_context& context) : context_(context) {}
  void post(Work work) override {
    // Asio wants handlers that it can copy, in this version.
    boost::asio::post(context_, [shared = std::make_shared<Work>(std::move(work))] {
      // Moved out of `shared`, of which the posting thread may still have a copy: so that what the
      // work owns is destroyed on this thread, and before the next work runs.
      Work taken = std::move(*shared);
      taken();
    });
  }

  std::chrono::milliseconds now() const override {
    const auto time = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(time);
  }

  void after(std::chrono::milliseconds delay, Work work) override {
    const auto timer = std::make_shared<boost::asio::steady_timer>(context_, delay);
    timer->async_wait([timer, shared = std::make_shared<Work>(std::move(work))](
                          const boost::system::error_code& error) {
      if (!error) (*shared)();
    });
  }

 private:
  boost::asio::io_context& context_;
};

}  // namespace tapring
