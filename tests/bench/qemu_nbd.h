// SPDX-License-Identifier: MIT
// QEMU's image formats as a backend of their own: a qemu-nbd that serves one image, past the page
// cache.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "ring/unique_fd.h"

namespace tapring::bench {

class QemuNbd {
 public:
  struct Options {
    std::string image;
    std::string format;
    std::string aio;           ///< as of qemu-nbd: io_uring, native or threads
    uint32_t connections = 1;  ///< at most 16
  };

  /// Starts it. Whether it can serve the image shows on the connections. Throws std::system_error.
  explicit QemuNbd(const Options& options);
  QemuNbd(const QemuNbd&) = delete;
  QemuNbd& operator=(const QemuNbd&) = delete;

  /// Ends it, with force if it must be.
  ~QemuNbd();

  /// Sockets on which it negotiates. Once.
  std::vector<UniqueFd> take_connections() { return std::move(connections_); }

  /// Of all its threads since its start, the kernel's workers for it included. Throws
  /// std::system_error.
  std::chrono::nanoseconds processor_time() const;

  /// Waits until it has closed the image, which it does when all connections are closed. Throws
  /// std::runtime_error if it fails or lasts too long.
  void wait_for_end();

 private:
  bool ends_within(std::chrono::seconds time);

  std::vector<UniqueFd> connections_;
  pid_t process_ = -1;  ///< -1: it was waited for
  int status_ = 0;
};

}  // namespace tapring::bench
