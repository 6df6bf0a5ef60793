// SPDX-License-Identifier: MIT
// Threads that workers hand heavy work to, such as unpacking a cluster: not for what may hang.
#pragma once

#include <boost/asio/thread_pool.hpp>
#include <mutex>
#include <optional>

#include "ring/executor.h"

namespace tapring {

class HelperThreads final : public Executor {
 public:
  /// One thread for each processor that this process may use, but no more than these.
  static constexpr unsigned kMaxThreads = 8;

  HelperThreads() = default;
  HelperThreads(const HelperThreads&) = delete;
  HelperThreads& operator=(const HelperThreads&) = delete;

  void post(Work work) override;

 private:
  std::once_flag started_;
  std::optional<boost::asio::thread_pool> threads_;  ///< from the first work on
};

}  // namespace tapring
