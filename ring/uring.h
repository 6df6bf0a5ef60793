// SPDX-License-Identifier: MIT
// An io_uring that takes no more than the requests of our loops: what a seccomp filter forbids
// would be there again as an operation of a ring (io_uring_register_restrictions(3)).
#pragma once

#include <liburing.h>

namespace tapring {

/// Made on any thread. That which enables it is the only one to use it from then on, as the kernel
/// is told that there is a single issuer.
class Uring {
 public:
  /// `entries`: how many submissions fit in one system call. Throws std::system_error that says
  /// what to do about it, also where the kernel is older than Linux 6.1.
  explicit Uring(unsigned entries);
  Uring(const Uring&) = delete;
  Uring& operator=(const Uring&) = delete;
  ~Uring() { io_uring_queue_exit(&uring_); }

  /// Throws std::system_error.
  void enable();

  io_uring& get() noexcept { return uring_; }

 private:
  void restrict_requests();

  io_uring uring_{};
};

}  // namespace tapring
