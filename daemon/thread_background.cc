// SPDX-License-Identifier: MIT
#include "daemon/thread_background.h"

#include <cerrno>
#include <system_error>
#include <thread>
#include <utility>

namespace tapring {

void ThreadBackground::run(Work work) {
  if (running_->fetch_add(1) >= kMaxThreads) {
    running_->fetch_sub(1);
    throw std::system_error(EAGAIN, std::system_category(),
                            "too many images are being opened at once: their storage hangs");
  }
  try {
    std::thread([work = std::move(work), running = running_]() mutable {
      work();
      work = nullptr;
      running->fetch_sub(1);
    }).detach();
  } catch (...) {
    running_->fetch_sub(1);
    throw;
  }
}

}  // namespace tapring
