// SPDX-License-Identifier: MIT
// Threads that workers hand heavy work to, such as unpacking a cluster: not for what may hang.
#pragma once

#include <boost/asio/thread_pool.hpp>

#include "ring/executor.h"

namespace tapring {

class HelperThreads final : public Executor {
 public:
  /// One thread for each processor that this process may use, but no more than these.
  static constexpr unsigned kMaxThreads = 8;

  HelperThreads();
  HelperThreads(const HelperThreads&) = delete;
  HelperThreads& operator=(const HelperThreads&) = delete;

  void post(Work work) override;

 private:
  boost::asio::thread_pool threads_;
};

}  // namespace tapring
