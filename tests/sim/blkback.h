// SPDX-License-Identifier: MIT
// xen-blkback as far as its neighbour in user space has to do with it: it holds the event channels
// of the devices that it has, and moves their states. It is infinitely slow: what guests ask of it
// waits in their rings.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/host/blkback.h"
#include "tests/sim/machine.h"
#include "tests/sim/store.h"
#include "tests/sim/world.h"

namespace tapring::sim {

class SimBlkback final : public Blkback, private StoreWatcher {
 public:
  SimBlkback(SimWorld& world, SimMachine& machine, SimStore& store) noexcept
      : world_(world), machine_(machine), store_(store) {}

  /// Not from the beginning on.
  void load() noexcept { loaded_ = true; }

  Limits& parameters() noexcept { return limits_; }

  /// A node that is new, as the real one does with each.
  void take(const std::string& name) { devices_[name]; }

  /// What an unbind fails with.
  void fail_unbinds(Error error) noexcept { unbind_error_ = error; }

  /// After it let go of a device its I/O goes on for as long.
  void finishes_in(Time time) noexcept { finishing_ = time; }

  /// What a bind fails with.
  void fail_binds(Error error) noexcept { bind_error_ = error; }

  /// As losetup does: it keeps the file and the size that the path has now.
  void make_loop_device(const std::string& number, const std::string& path);

  /// To be changed at will; loop.file is looked up anew each time.
  BlockDevice& loop_device(const std::string& number) { return loop_devices_.at(number).device; }

  bool loaded() const override { return loaded_; }
  bool serves(const std::string& name) const override { return devices_.contains(name); }
  Limits limits() const override { return limits_; }
  std::optional<BlockDevice> block_device(const std::string& number) const override;
  std::shared_ptr<const void> without_persistent_grants() const override;

  /// Whether it keeps the guest's pages mapped, as it does with all if its parameter says so.
  bool keeps_pages(const std::string& name) const { return keeps_pages_.at(name); }
  Error unbind(const std::string& name, bool coming,
               std::chrono::milliseconds patience) const override;
  Error bind(const std::string& name) const override;

 private:
  struct LoopDevice {
    BlockDevice device;
    FileId file;
  };

  void changed(const std::string& watched, const std::string& token,
               const std::string& path) override;
  void close(const std::string& name) const;
  void connect(const std::string& name) const;

  SimWorld& world_;
  SimMachine& machine_;
  SimStore& store_;
  StoreWatcher& watcher_ = *this;
  bool loaded_ = false;
  mutable Limits limits_{.max_queues = 4, .max_ring_order = 4, .persistent_grants = false};
  Time finishing_{};
  Error bind_error_;
  Error unbind_error_;
  std::map<std::string, LoopDevice> loop_devices_;
  mutable std::map<std::string, bool> keeps_pages_;
  // Ports are const, as the real one has its state in the kernel.
  mutable std::map<std::string, std::vector<EventEnd>> devices_;
};

}  // namespace tapring::sim
