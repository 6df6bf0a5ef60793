// SPDX-License-Identifier: MIT
#include "daemon/host/helper_threads.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <thread>
#include <utility>

namespace tapring {

HelperThreads::HelperThreads()
    : threads_(std::clamp(std::thread::hardware_concurrency(), 1U, kMaxThreads)) {}

void HelperThreads::post(Work work) {
  boost::asio::post(threads_, std::move(work));
}

}  // namespace tapring
