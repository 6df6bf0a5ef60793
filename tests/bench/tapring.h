// SPDX-License-Identifier: MIT
// The data path of production and its guest on one thread, for a profiler to watch.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "daemon/datapath/disk.h"
#include "daemon/datapath/worker.h"
#include "ring/uring_loop.h"
#include "tests/bench/guest.h"

namespace tapring::bench {

/// One event channel whose other end is the guest of this thread.
class OwnEvents final : public EventChannel {
 public:
  Result<Port> bind(DomainId, Port remote, EventSink& sink) override {
    sink_ = &sink;
    return remote;
  }
  void unbind(Port) override { sink_ = nullptr; }
  void notify(Port) override {}  // the guest looks after every turn
  void unmask(Port) override {}

  void send() { sink_->event(); }

 private:
  EventSink* sink_ = nullptr;
};

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

  /// The guest's part of a turn is the last.
  class GuestTurn final : public Batch {
   public:
    explicit GuestTurn(Tapring& tapring) : tapring_(tapring) { tapring_.loop_.add_batch(*this); }
    bool flush() override;

   private:
    Tapring& tapring_;
  };

  UringLoop loop_;
  GuestMemory memory_;
  OwnEvents events_;
  Worker worker_;
  GuestTurn guest_turn_;
  std::unique_ptr<Guest> guest_;
  std::shared_ptr<Disk> disk_;
};

}  // namespace tapring::bench
