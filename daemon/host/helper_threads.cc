// SPDX-License-Identifier: MIT
#include "daemon/host/helper_threads.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <thread>
#include <utility>

namespace tapring {

void HelperThreads::post(Work work) {
  std::call_once(started_, [this] {
    threads_.emplace(std::clamp(std::thread::hardware_concurrency(), 1U, kMaxThreads));
  });
  boost::asio::post(*threads_, std::move(work));
}

}  // namespace tapring
