// SPDX-License-Identifier: MIT
// The data path of production on one thread, with a guest that keeps it busy.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "daemon/disk.h"
#include "daemon/worker.h"
#include "ring/uring_loop.h"
#include "tests/bench/guest.h"

namespace tapring::bench {

class Tapring {
 public:
  /// Opens and connects the image. Throws std::runtime_error or std::system_error.
  Tapring(const std::string& path, const std::string& format, const Workload& workload);
  Tapring(const Tapring&) = delete;
  Tapring& operator=(const Tapring&) = delete;

  /// Asked after each turn of the loop. Once.
  void serve_while(const std::function<bool()>& wanted);

  uint64_t answered() const noexcept { return guest_->answered(); }

  /// Waits for what is in flight and closes the image. Throws std::runtime_error if a request
  /// failed. To be called once, before the end.
  void end();

 private:
  static constexpr std::size_t kArenaBytes = std::size_t{16} << 20;

  UringLoop loop_;
  GuestMemory memory_;
  GuestEvents events_;
  Worker worker_;
  std::unique_ptr<Guest> guest_;
  std::shared_ptr<Disk> disk_;
};

}  // namespace tapring::bench
